"""What is made of the answers to lm-eval's own tasks: its verdicts, as ours where they are 0 or 1, and else its own number.

So it is with suites of ours that are answered by log-likelihoods. And lm-eval's model made ready, whatever it is asked.

lm-eval's samples and results enter; verdicts, measures and what the page shows leave. Called by evaluate, translating, verdicts
and samples.
"""
