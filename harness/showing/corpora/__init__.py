"""What training text there is, and how a model sees it.

Names, or a corpus and a model enter; lists, and rows token by token leave. Called by the command `xreason corpora`.
"""
