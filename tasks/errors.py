"""The one exception for what a person can put right."""


class UserError(Exception):
    """Something the person in front of the program can mend: its text is one clear sentence and the next thing to do.

    The command line prints it without a traceback and exits with 2.
    """
