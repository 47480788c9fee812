"""Methods that take other rows of a comparison: their weights, merged by a formula, or their models, asked in a way of their own.

A short file each, over what declared.py offers; merging.py does the merging. Checkpoints of other rows and a formula enter, a
checkpoint leaves. Methods are loaded by name (trainers/methods.py); the merging is called by the harness.
"""
