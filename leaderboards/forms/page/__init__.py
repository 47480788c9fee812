"""The page, `leaderboard.html`: boards and samples enter; one file that loads nothing from the net, and parts beside it, leave.

Called by whoever writes a board. vendor/ holds sortable-tablesort 4.1.7 (https://github.com/tofsjonas/sortable, Unlicense) as
it was published, with its checksums.
"""
