"""Training text: the papers' sets and the pocket world's.

Names and languages enter, pairs of prompt and response leave. Called by training and by the plan, for their hashes.
"""
