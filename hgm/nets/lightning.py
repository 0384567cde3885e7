"""The tensors of a PyTorch Lightning checkpoint, which holds settings and callbacks of its
training's own classes beside them.

torch's reader of plain weights refuses those, and its full reader would run them; here nothing
stands for them.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.errors import InputError
from hgm.nets.checkpoints import tensors_of

TENSORS: dict[tuple[str, str], Any] = {  # what rebuilds a tensor; storages are torch's own matter
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("collections", "OrderedDict"): OrderedDict,
}


class Inert(dict[Any, Any]):
    """A placeholder for every class, function and object that a checkpoint names: it takes any
    arguments and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return self

    def __setstate__(self, _: Any) -> None: ...

    def append(self, _: Any) -> None: ...

    def extend(self, _: Any) -> None: ...

    __hash__ = object.__hash__  # type: ignore[assignment]


class Unpickler(pickle.Unpickler):
    """An unpickler that imports nothing: it gives `Inert` for what it does not know."""

    def find_class(self, module: str, name: str) -> Any:
        return TENSORS.get((module, name), Inert)


class Reader:
    """What torch.load takes in place of the module pickle."""

    Unpickler = Unpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()


def read_lightning(path: str | Path) -> dict[str, Tensor]:
    """The `state_dict` of a checkpoint (or a plain dictionary of tensors) by name; nothing that the
    file names is imported or run.

    Raises InputError for a file that is missing, damaged or not of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a downloaded checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=Reader)
    # a broken stream can raise anything from the objects it half describes
    except Exception as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"{path}: not a whole torch checkpoint ({line}); download it again"
        ) from None
    return tensors_of(content, path)
