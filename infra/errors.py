"""Errors that a person can do something about."""


class UserError(Exception):
    """One sentence: what is wrong and what to do. The command line prints it without a traceback, exit status 1."""
