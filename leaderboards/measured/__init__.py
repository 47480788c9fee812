"""Boards of what is no verdict: a number that lm-eval reports of its own tasks, such as chrF or a perplexity.

Records with measures enter, boards without ranks and pairs leave. Called where boards are made.
"""
