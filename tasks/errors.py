"""The one exception for what a person can put right, and the kind of it that a plan can do without."""


class UserError(Exception):
    """Something the person in front of the program can mend: its text is one clear sentence and the next thing to do.

    The command line prints it without a traceback and exits with 2.
    """


class MissingSetError(UserError):
    """A published set that is neither in the data folder nor to be had from the hub."""
