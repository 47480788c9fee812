"""What records tell of rows that take other rows: weights that were merged, and models that were asked in English.

Plain data, which records hold. Made by the harness, read by boards.
"""
