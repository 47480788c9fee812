"""Pairs to prefer between, on disk.

What a model made enters, a Corpus of pairs leaves. Called by the harness, which lets it, and by training.
"""
