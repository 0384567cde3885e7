"""Read pickles of data sets without running what they name: numbers, strings, containers and numpy
arrays only."""

from __future__ import annotations

import collections
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from hgm.errors import InputError


class RestrictedUnpickler(pickle._Unpickler):
    """An unpickler that knows how numpy arrays are rebuilt (every protocol, numpy 1 and 2, Python 2
    and 3).

    The one in Python, since the one in C takes memory for as many objects as a damaged file says
    that it holds.

    Any other global is refused by name before it is imported. trimesh's array class becomes a plain
    numpy array. `also` names further globals and what stands for them.
    """

    def __init__(
        self, file: IO[bytes], *, also: Mapping[tuple[str, str], Any], encoding: str
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.known = {**ALLOWED, **also}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.known[module.replace("numpy._core.", "numpy.core."), name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is not allowed"
            ) from None


class _Array:
    """What stands for numpy's array class, and its subclasses, while a pickle is read; not an array
    itself."""


def _empty_bytes() -> bytes:
    """How protocols 0 to 2 write b""."""
    return b""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How Python 2's byte strings are written by Python 3; no other codec is run."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}, which is not allowed")
    return text.encode("latin1")


def _reconstruct(kind: type, shape: Any, code: Any) -> np.ndarray:
    """An empty array whose contents follow; the shape given here is always zero."""
    if kind is not _Array or tuple(shape) != (0,):
        raise pickle.UnpicklingError(
            "an array is rebuilt from something that is not an empty array"
        )
    return np.empty(0, np.int8)


def _scalar(dtype: np.dtype, data: Any) -> np.ndarray:
    """A numpy scalar, as a 0-d array."""
    if dtype.hasobject:
        raise pickle.UnpicklingError("a scalar holds an object")
    return (
        np.frombuffer(_encode(data) if isinstance(data, str) else data, dtype, 1).reshape(()).copy()
    )


def _frombuffer(data: Any, dtype: np.dtype, shape: Any, order: str) -> np.ndarray:
    """An array of pickle protocol 5."""
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C").copy()


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("trimesh.caching", "TrackedArray"): _Array,
    ("trimesh.util", "TrackedArray"): _Array,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
}


def load_pickle(path: str | Path, also: Mapping[tuple[str, str], Any] | None = None) -> Any:
    """The object in a pickle file of any protocol; `also` as for RestrictedUnpickler. Raises
    InputError for a missing, broken or hostile file."""
    try:
        with open(path, "rb") as file:
            return RestrictedUnpickler(file, also=also or {}, encoding="latin1").load()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: this pickle is refused: {error}") from None
    # a broken stream can raise anything from the arrays it half describes
    except Exception as error:
        raise InputError(
            f"{path}: not a readable pickle ({type(error).__name__}: {error})".splitlines()[0]
        ) from None
