"""Errors a user can act on: one line that names the file or key, what was expected and what to do."""


class InputError(ValueError):
    """Something the user gave is unusable; the message is one line and is shown without a traceback."""


class ScanError(InputError):
    """One scan is unusable; the work goes on with the next one."""


class MissingDependency(InputError):
    """An optional package that a chosen backend needs is not installed."""


class SliceEnded(Exception):
    """The deadline came first; the state is saved and the next attempt goes on from it."""
