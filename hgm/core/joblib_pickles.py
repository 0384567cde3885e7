"""Read files of `joblib.dump` without running what they name: a pickle with the bytes of its arrays
between the opcodes.

PyMAF-X saves so, with torch tensors beside the numpy arrays; both become numpy arrays.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from hgm.core.pickles import ALLOWED, _Array
from hgm.errors import InputError

# The C unpickler reads ahead and hides its stack; joblib's own reader, too, builds on the one in
# Python.
Unpickler: Any = pickle._Unpickler


class _Wrapper:
    """What stands before an array's bytes; its attributes are those of joblib's
    NumpyArrayWrapper."""

    subclass: Any
    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]
    numpy_array_alignment_bytes: int | None = None  # joblib before 1.2 does not align

    def read(self, file: IO[bytes]) -> np.ndarray:
        if self.subclass is not _Array or self.dtype.hasobject:
            raise pickle.UnpicklingError("an array holds objects")
        if self.numpy_array_alignment_bytes is not None:
            file.read(file.read(1)[0])
        size = math.prod(self.shape) * self.dtype.itemsize
        data = file.read(size)
        if len(data) < size:
            raise EOFError("the file ends within an array")
        return (
            np.frombuffer(data, self.dtype)
            .reshape(self.shape, order="F" if self.order == "F" else "C")
            .copy()
        )


def _storage(data: bytes) -> np.ndarray:
    """The numbers of a torch storage, which is a small torch file of its own."""
    import torch

    storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return torch.tensor([], dtype=storage.dtype).set_(storage).numpy()


def _tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> np.ndarray:
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if math.prod(size) and (reach > len(storage) or min((offset, *stride)) < 0):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(
        storage[offset:], size, [step * storage.itemsize for step in stride]
    ).copy()


KNOWN: Mapping[tuple[str, str], Any] = {
    **ALLOWED,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}


class _JoblibUnpickler(Unpickler):
    """A pickle reader that knows KNOWN and nothing else."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(Unpickler.dispatch)

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        try:
            return KNOWN[module.replace("numpy._core.", "numpy.core."), name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is not allowed"
            ) from None

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _Wrapper):
            self.stack.append(self.stack.pop().read(self.file))

    dispatch[pickle.BUILD[0]] = load_build


def load_joblib(path: str | Path) -> Any:
    """The object in an uncompressed file of `joblib.dump`, or in a plain pickle; tensors as numpy
    arrays. Raises InputError for a missing, broken or hostile file."""
    try:
        with open(path, "rb") as file:
            return _JoblibUnpickler(file).load()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: this pickle is refused: {error}".splitlines()[0]) from None
    # a broken stream can raise anything from the arrays it half describes
    except Exception as error:
        raise InputError(
            f"{path}: not a readable pickle ({type(error).__name__}: {error})".splitlines()[0]
        ) from None
