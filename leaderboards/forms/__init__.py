"""The forms of a board: a table in the terminal, a page.

A board enters, text leaves. Called by the commands and by whoever writes a board.
"""
