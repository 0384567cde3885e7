"""Weights on disk: `weights.safetensors` beside `model.json`, loaded strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hgm.errors import InputError
from hgm.nets.config import HGMConfig
from hgm.nets.hgm import HGM
from hgm.runtime import atomic_write

WEIGHTS = "weights.safetensors"
MODEL = "model.json"


def save_model(model: HGM, folder: str | Path) -> None:
    """Write weights and config to a folder; equal weights give equal bytes."""
    save_tensors(model.state_dict(), Path(folder) / WEIGHTS)
    with atomic_write(Path(folder) / MODEL, "w") as file:
        json.dump(model.config.to_json(), file, indent=1, sort_keys=True)
        file.write("\n")


def load_model(
    folder: str | Path, device: str | torch.device = "cpu", *, sparse_backend: str = "auto"
) -> HGM:
    """The model of a folder that `save_model` wrote, in eval mode. Raises InputError for a missing
    or foreign file."""
    path = Path(folder) / MODEL
    try:
        config = HGMConfig.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; expected a folder with {MODEL} and {WEIGHTS}"
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); write the model again") from None
    tensors = read_tensors(Path(folder) / WEIGHTS)
    with torch.device("meta"):  # takes no memory: sizes are compared before any is asked for
        require_equal_shapes(
            HGM(config, sparse_backend=sparse_backend), tensors, source=str(Path(folder) / WEIGHTS)
        )
    model = HGM(config, sparse_backend=sparse_backend)
    assign(model, tensors, source=str(Path(folder) / WEIGHTS))
    return model.to(device).eval()


def save_tensors(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """One safetensors file, by name."""
    from safetensors.torch import save

    data = save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)})
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
