"""The one loop that runs a stage: batches, packing, sharding, resuming, reports.

A model, a Stage and examples enter, tuned weights and a report leave. Called by trainers.train alone.
"""
