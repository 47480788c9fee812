"""Rewards: what a completion is worth to a model that learns by them; those of the box are the readings that score, and two more.

Completions enter, numbers leave. Called by trainers.rewarding, by plans, and by packages that bring rewards of their own.
"""
