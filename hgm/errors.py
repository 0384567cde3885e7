"""Errors a user can act on: one line that names the file or key, what was expected and what to do."""


class InputError(ValueError):
    """Something the user gave is unusable; the message is one line and is shown without a traceback.

    Names out of a damaged file may hold line breaks or what a terminal obeys; they become spaces.
    """

    def __init__(self, message: object) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in str(message)))


class ScanError(InputError):
    """One scan is unusable; the work goes on with the next one."""


class MissingDependency(InputError):
    """An optional package that a chosen backend needs is not installed."""


class SliceEnded(Exception):
    """The deadline came first; the state is saved and the next attempt goes on from it."""
