"""Checks of single files of published weights: by the published hash, or, for a converted file, by
names and shapes of its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hgm.core.keys import file_digest
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import State

if TYPE_CHECKING:
    from torch import Tensor


def check_weights(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """A `.pth` must be the published file, since with other weights it is another metric. A
    `.safetensors` can only be a conversion, so the names and shapes of its tensors are checked.
    Raises InputError when the file cannot be opened or is of another network."""
    published = asset.files[0].sha256
    if path.suffix != ".safetensors" and published is not None:
        found = file_digest(path)
        if found == published:
            return "intact", "SHA-256 as published"
        return "damaged", (
            f"{path}: SHA-256 is {found[:12]}…, published {published[:12]}…; "
            "delete it and add --fetch to this command"
        )
    from hgm.metrics.weights import read_weights, take

    key = asset.key or asset.name
    take(read_weights(path, key), _expected(asset), key)
    return "present", "the right tensors; no published hash for this format"


def check_icon(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """All tensors of ICON's net by name and shape. Raises InputError for anything else."""
    from hgm.nets.icon import load_icon

    load_icon(path)
    return "present", "the right tensors; no published hash"


def _expected(asset: Asset) -> dict[str, Tensor]:
    """Tensors with the published names and shapes."""
    import torch

    from hgm.metrics.inception import Inception
    from hgm.metrics.lpips import STAGES, VGG16

    if asset.check == "vgg16":
        return VGG16().state_dict()
    if asset.check == "lpips":
        return {
            f"lin{i}.model.1.weight": torch.zeros(1, stage[-1], 1, 1)
            for i, stage in enumerate(STAGES)
        }
    return {
        k: v for k, v in Inception().state_dict().items() if not k.endswith("num_batches_tracked")
    }
