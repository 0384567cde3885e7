"""The classes of others that pickled body models hold, as plain numpy arrays: scipy's sparse
matrices and chumpy's arrays. Neither library runs while such a file is read, and chumpy need not be
there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class _State:
    """What stands for an object while a pickle is read: its attributes, nothing more."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # a hostile pickle gives a state to the class itself, which this signature refuses
        self.state = dict(state)


class _Sparse(_State):
    """scipy's matrix by columns or rows: `data` and `indices` [N], and `indptr`, where each column
    or row begins."""

    by_columns: bool

    def dense(self, shape: tuple[int, int]) -> np.ndarray:
        """The matrix, float64. Raises ValueError where it has another shape or does not fit
        together; the shape that the file says is not trusted with memory."""
        if tuple(self.state["_shape"]) != shape:
            raise ValueError(f"is {self.state['_shape']}, expected {shape}")
        data, indices, starts = (
            np.asarray(self.state[key]) for key in ("data", "indices", "indptr")
        )
        across, along = shape if self.by_columns else shape[::-1]
        if not (
            data.ndim == indices.ndim == starts.ndim == 1
            and len(data) == len(indices)
            and len(starts) == along + 1
            and starts[0] == 0
            and starts[-1] == len(data)
            and (np.diff(starts) >= 0).all()
            and ((indices >= 0) & (indices < across)).all()
        ):
            raise ValueError("is a sparse matrix that does not fit together")
        out = np.zeros((across, along))
        np.add.at(out, (indices, np.repeat(np.arange(along), np.diff(starts))), data)
        return out if self.by_columns else out.T


class _Columns(_Sparse):
    by_columns = True


class _Rows(_Sparse):
    by_columns = False


class _Chumpy(_State):
    """chumpy's array of numbers; its `x` are the numbers."""


SPARSE: Mapping[tuple[str, str], Any] = {
    (f"scipy.sparse.{module}", f"{module[-3:]}_{kind}"): stand_in
    for stand_in, modules in ((_Columns, ("csc", "_csc")), (_Rows, ("csr", "_csr")))
    for module in modules
    for kind in ("matrix", "array")
}
# chumpy's arrays come with an empty set of what changed
CHUMPY: Mapping[tuple[str, str], Any] = {
    ("chumpy.ch", "Ch"): _Chumpy,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
}


def numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a value in a pickle that was read with SPARSE or CHUMPY.

    shape: the expected one; a sparse matrix is not filled to any other, a plain array is as it is.
    Raises KeyError, TypeError or ValueError for what holds no numbers.
    """
    if isinstance(value, _Sparse):
        return value.dense((shape[0], shape[-1]))
    array = np.asarray(value.state["x"] if isinstance(value, _Chumpy) else value)
    if array.dtype.kind not in "biuf":
        raise TypeError("does not hold numbers")
    return array
