"""What others report: numbers of papers and model cards, each with its source and place, enter as data; rows of them leave.

Read by boards that are asked to show them. They are never ranked, and never merged with what is measured or with each other.
"""
