"""Weights on disk: `weights.safetensors` beside `model.json`, loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from hgm.core.files import atomic_write
from hgm.errors import InputError

WEIGHTS = "weights.safetensors"


def save_tensors(
    tensors: Mapping[str, Tensor], path: str | Path, metadata: dict[str, str] | None = None
) -> None:
    """One safetensors file, by name."""
    from safetensors.torch import save

    data = save(
        {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}, metadata
    )
    with atomic_write(path) as file:
        file.write(data)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError where it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a safetensors file of weights") from None
    except SafetensorError as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({error}); copy or train it again"
        ) from None


def load_tensors(module: nn.Module, path: str | Path) -> None:
    """Copy a safetensors file into a module. Raises InputError naming the first key that is
    missing, too many or misshapen."""
    assign(module, read_tensors(path), source=str(path))


def assign(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load tensors by name, all of them and no others; `source` is named in the InputError on a
    mismatch."""
    require_equal_shapes(module, tensors, source=source)
    module.load_state_dict(dict(tensors))


def require_equal_shapes(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Raise InputError, which names `source` and the first difference, unless a module has tensors
    of these names and shapes."""
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in tensors:
            raise InputError(
                f"{source}: key {name} of shape {list(tensor.shape)} is missing; the weights are "
                "of another model"
            )
        if tensors[name].shape != tensor.shape:
            raise InputError(
                f"{source}: key {name} has shape {list(tensors[name].shape)}, expected "
                f"{list(tensor.shape)}; the weights are of another model"
            )
    for name, tensor in tensors.items():
        if name not in own:
            raise InputError(
                f"{source}: key {name} of shape {list(tensor.shape)} has no place in the model; "
                "the weights are of another model"
            )
