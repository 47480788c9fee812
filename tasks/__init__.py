"""What is measured: suites of lm-eval tasks, their languages, their prompt and their scoring.

This folder also works without the rest of the project: `lm_eval --include_path tasks --tasks mgsm` runs it. Files that the
YAML tasks name (`!function data.questions`) are loaded by lm-eval by their path, so they
import nothing of ours that they cannot do without.
"""
