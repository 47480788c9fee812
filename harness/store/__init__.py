"""Finished steps on disk, whole or not at all, under keys; and where a number comes from.

Folders and keys enter, folders leave. Called by all of the harness; calls none of it.
"""
