"""Weight files of published metric networks: found, checked against a hash, read without running
code from them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hgm.errors import InputError


def read_weights(path: str | Path, key: str, sha256: str | None = None) -> dict[str, Tensor]:
    """Tensors of a `.safetensors` or torch `.pth` file (weights only) as float32.

    `key` names the configuration entry in error messages. Raises InputError when the file is
    absent, is not a plain dictionary of tensors or has another SHA-256 than `sha256` (a prefix is
    enough).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{key}: {path} does not exist; give the path of the file, or null to leave the "
            "metric out"
        )
    if sha256 is not None:
        from hgm.core.keys import file_digest

        found = file_digest(path)
        if not sha256 or not found.startswith(sha256.lower()):
            raise InputError(
                f"{key}: {path} has SHA-256 {found}, expected {sha256}; fetch the file again"
            )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            data = load_file(path)
        else:
            data = torch.load(path, map_location="cpu", weights_only=True)
    # a broken file can raise anything from the tensors it half describes
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise InputError(f"{key}: {path} is not a readable weight file ({reason})") from None
    if not isinstance(data, dict) or not all(isinstance(v, Tensor) for v in data.values()):
        raise InputError(f"{key}: {path} is not a dictionary of tensors")
    return {k: v.float() for k, v in data.items()}


def take(weights: dict[str, Tensor], wanted: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    """Those entries of `weights` that `wanted` (a state dict) has; InputError if one is missing or
    of another shape."""
    chosen = {}
    for name, like in wanted.items():
        if name not in weights:
            raise InputError(
                f"{key}: the file has no tensor {name!r}; expected this network's published weights"
            )
        if weights[name].shape != like.shape:
            raise InputError(
                f"{key}: {name!r} is {list(weights[name].shape)}, expected {list(like.shape)}"
            )
        chosen[name] = weights[name]
    return chosen
