"""How results are read. Records enter as `record.json` files; a board leaves as a table in the terminal, a page, and JSON.

Called by the harness, which writes the records; imports nothing of ours.
"""
