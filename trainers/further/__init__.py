"""Further methods in the box, beside the papers' three and their controls: a short file each, with its source and every deviation.

Settings enter, a Method leaves. Called by their entry points alone.
"""
