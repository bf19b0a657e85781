"""Why a server cannot be run here."""


class CannotRun(Exception):
    """This machine lacks what a server needs. The text says what, and what to do."""
