"""Pictures of a board: a board enters; PNG, SVG and PDF files, or an SVG for a page, leave.

Called by the command that shows boards and by the page. matplotlib is imported where something is drawn, not before.
"""
