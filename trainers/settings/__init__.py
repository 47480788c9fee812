"""What methods and stages are set by: kinds of values, and what a stage learns.

Settings enter, checked data leaves. Called by trainers.stages, which hands on what methods need.
"""
