"""Archives of arrays (.npz) that may be damaged or hostile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hgm.errors import InputError

LARGEST = 2 << 30  # bytes; SMPL-X's models, the largest that are read, unpack to a sixth of it


def read_npz(
    path: str | Path,
    keys: Iterable[str] | None = None,
    *,
    what: str = "npz file",
    advice: str = "get it again",
) -> dict[str, np.ndarray]:
    """Those arrays of a file that `keys` names, all by default; objects in it are never unpickled.

    Raises InputError, which calls the file `what` and ends with `advice`, when it is missing or
    damaged; it names the key that cannot be read.
    """
    arrays: dict[str, np.ndarray] = {}
    reading = ""
    try:
        with np.load(path, allow_pickle=False) as data:
            if sum(member.file_size for member in data.zip.infolist()) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST >> 30} GiB")
            for key in data.files if keys is None else keys:
                if key in data.files:
                    reading = f"{key}: "
                    arrays[key] = data[key]
    # a damaged archive can raise anything from zipfile, zlib and the parser of the heads
    except Exception as error:
        why = "it holds pickled objects" if "allow_pickle" in str(error) else error
        raise InputError(f"{path}: not a readable {what} ({reading}{why}); {advice}") from None
    for key, array in arrays.items():
        # numpy hands out the bytes of a member that is no array
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: not a readable {what} ({key} is no array); {advice}")
    return arrays


def numbers_of(value: Any, name: str) -> np.ndarray:
    """An array of real numbers of any type; `name` stands in the InputError for anything else."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # rows of different lengths
        raise InputError(f"{name} does not hold numbers") from None
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} does not hold numbers")
    return array
