"""Corpora of one's own: files, data sets of the hub, and those that other packages bring.

A reference (file:PATH, hub:OWNER/NAME, or a package's name) enters, examples that are read as they are asked for leave. Called by
trainers.corpora alone, and by the plan and the commands for how references are written.
"""
