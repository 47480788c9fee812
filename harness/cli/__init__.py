"""The commands, one file a group: parse, call, print.

Arguments enter, text and exit codes leave. Called by the console script and `python -m xreason.harness.cli` alone.
"""
