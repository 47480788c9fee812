"""A model on disk: the base that training starts from, and what it changed.

Folders enter, tensors leave, and the other way round. Called by training, serving and export.
"""
