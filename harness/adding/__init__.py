"""Languages and suites of one's own.

Files of questions enter, lm-eval tasks in a folder of the person's leave. Called by the commands.
"""
