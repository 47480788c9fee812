"""The forms of a board: a board enters; a table in the terminal, `leaderboard.md` or `leaderboard.json` leaves.

Called by the commands, by whoever writes a board, and by other pages that show the same facts.
"""
