"""What the rows of a board come to, over languages, groups of them and levels of questions: means, gains and pairs.

Rows of records enter; means and differences with their intervals leave. Called by the board, which ranks by them.
"""
