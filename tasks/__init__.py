"""What is measured: suites of lm-eval tasks, their languages, their prompts and their scoring.

This folder also works without the rest of the project: `lm_eval --include_path tasks --tasks mgsm` runs it. What the YAML tasks
name (`!function protocol.questions`) is in protocol.py, which lm-eval loads by its path.
"""
