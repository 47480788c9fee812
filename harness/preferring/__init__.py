"""Pairs to prefer between that a model makes: its samples on training questions, judged by the readings.

A plan's step enters, a folder of pairs leaves, which a training reads. Called by plan, run and outlook.
"""
