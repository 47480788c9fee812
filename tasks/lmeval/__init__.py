"""Any task of the installed lm-eval, found by name, with the language of each: no suite of ours, but on the same boards.

A pattern such as `global_mmlu_full_{en,sw}` enters; lm-eval's own tasks by language leave. Called by suites.py, and by the harness
where questions are asked. Task files of a person's own stand in their folder of languages and suites, and come before lm-eval's.
"""
