"""MSVAMP, and which of its questions vary the same problem.

Questions in English enter, families leave. Called by the table of suites; imports nothing of ours.
"""
