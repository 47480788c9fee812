"""Stages that learn by rewards: TRL's GRPOTrainer, set up as the stage says, between our corpora and our checkpoints.

A model, a Stage and examples enter, tuned weights and a report leave. Called by trainers.train alone.
"""
