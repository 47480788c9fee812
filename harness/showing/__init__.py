"""What is shown beside boards: tables, model cards, exports, the doctor.

Results enter, text for people leaves. Called by the commands.
"""
