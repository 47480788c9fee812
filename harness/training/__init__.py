"""Trainings in the run store, and what is found and counted before one.

A plan's step enters, a checkpoint with its report leaves. Called by plan, run and the commands.
"""
