"""Estimates with their intervals.

Verdicts enter, numbers with bounds leave. Called by the board.
"""
