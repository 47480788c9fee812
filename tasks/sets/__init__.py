"""The published sets in the box: where each is, how a row of it becomes a question, what its authors put to a model.

Cells of a file or of the hub enter, rows leave. Called by tasks/data.py, which finds and checks them, and by the table of suites.
"""
