"""Which model, which engine, and the swap of weights between them.

Models enter by one word each, lm-eval's vLLM model with their weights leaves. Called by plan and run.
"""
