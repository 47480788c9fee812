"""How questions are put to a model, and what is made of its responses.

A model that answers enters; lm-eval's files, verdicts and records leave. Called by plan, run and the commands.
"""
