"""Runs things: the command line, experiments, the vLLM engine, scoring, the run store."""
