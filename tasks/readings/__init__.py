"""How an answer is read out of a response, and in which language the response is.

A response and a gold answer enter, verdicts leave. Called by the tasks and by whoever reads stored responses again.
"""
