"""How models are made: the methods, a short file each, and what they are made of.

A base model and a method enter, a checkpoint and a report leave. Called by the harness.
"""
