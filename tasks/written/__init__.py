"""A suite as files that stock lm-eval runs: its tasks, what they include, and their group.

A suite enters, YAML leaves. Called by the table of suites, which knows in which folders the files belong.
"""
