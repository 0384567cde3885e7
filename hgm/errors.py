"""Errors a user can act on: one line that names the file or key, what was expected and what to
do."""

import errno

STORAGE: dict[int, str] = {  # what a disk may say, and what to do about it
    errno.ENOSPC: "free some space (hgm prune shows what may go) and run again",
    errno.EDQUOT: "your quota is used up: free some space (hgm prune shows what may go) and run "
    "again",
    errno.EROFS: "results have to be on a file system that can be written",
    errno.EACCES: "change its owner or permissions, or run in a folder of your own",
}


class InputError(ValueError):
    """Something the user gave is unusable; the message is one line and is shown without a
    traceback.

    Names out of a damaged file may hold line breaks or what a terminal obeys; they become spaces.
    """

    def __init__(self, message: object) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in str(message)))


class ScanError(InputError):
    """One scan is unusable; the work goes on with the next one."""


class MissingDependency(InputError):
    """An optional package that a chosen backend needs is not installed."""


class Interrupted(Exception):
    """Something outside stopped the work, with nothing wrong in what was worked on: the job has to
    run again."""


class SliceEnded(Exception):
    """The deadline came first; the state is saved and the next attempt goes on from it."""
