"""Questions put into English before they are asked, for rows that are a model and this way of asking it.

A model and the questions of a suite enter; their English, with what it took, leaves as a step of its own, which all rows share
that take the same model's. Called by the plan and its run; read by the scoring.
"""
