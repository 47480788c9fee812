"""Which tensors a stage changes: structure, freezing, adapters, language layers, counting.

A model and a Tune enter, a model that learns there and nowhere else leaves. Called by the loop and by plans.
"""
