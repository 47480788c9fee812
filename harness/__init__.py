"""Runs things: the command line, the experiment, its plan, and the run that carries it out.

Flags and YAML enter, run folders and boards leave. May use all other rooms; nothing but the command line calls it.
"""
