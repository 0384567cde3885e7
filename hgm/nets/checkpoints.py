"""Checkpoint files of others, safetensors or torch, read without running anything that is in
them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hgm.errors import InputError
from hgm.nets.weights import read_tensors

TORCH = (".pth", ".pt", ".ckpt", ".bin")
NESTED = ("state_dict", "model")  # where trainers keep the tensors beside their own state
PARALLEL = "module."  # before every key that DistributedDataParallel saved


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth, .pt, .ckpt or .bin file by name; torch files are loaded
    with `weights_only`.

    Raises InputError for a file that is missing, damaged, of another kind, or that holds anything
    but tensors.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", *TORCH):
        raise InputError(
            f"{path}: not a checkpoint; expected a file that ends in .safetensors, "
            f"{', '.join(TORCH)}"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a downloaded checkpoint")
    tensors = read_tensors(path) if path.suffix == ".safetensors" else tensors_of(_load(path), path)
    if not tensors:
        raise InputError(f"{path}: holds no tensors; expected a checkpoint of LGM or HGM")
    if all(name.startswith(PARALLEL) for name in tensors):
        return {name.removeprefix(PARALLEL): tensor for name, tensor in tensors.items()}
    return tensors


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: not a torch checkpoint of plain tensors; nothing else is loaded, since it "
            "could run code: save its state_dict alone"
        ) from None
    # a broken stream can raise anything from the tensors it half describes
    except Exception as error:
        raise InputError(
            f"{path}: not a whole torch file ({_first_line(error)}); download it again"
        ) from None


def tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors of a loaded checkpoint by name. Raises InputError where it holds anything
    else."""
    for name in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path}: of type {type(content).__name__}; expected a dictionary of tensors by name"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InputError(
                f"{path}: key {name} is of type {type(value).__name__}; expected a dictionary of "
                "tensors by name"
            )
    return dict(content)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]
