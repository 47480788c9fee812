"""What records tell of rows that take other rows: merged weights, and ways in which models were asked.

Plain data, which records hold. Made by the harness, read by boards.
"""
