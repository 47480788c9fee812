"""How results are read: records, intervals, the terminal table and the page of a leaderboard.

Records enter as `record.json` files, a board leaves as a table in the terminal, `leaderboard.md` and `leaderboard.json`.
"""
