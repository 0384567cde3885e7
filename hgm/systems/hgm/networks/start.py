"""Starts a training of HGM from the weights of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from hgm.nets.weights import assign, read_tensors
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.starter import as_start

BODY_PARTS = ("encoder.", "body.", "volume.")  # that only networks with a body branch have
MERGE = "merge.conv_in.weight"  # its last columns see the body's volume
SURFACES = ("detail.out.weight", "detail.out.bias")  # whose rows are surface after surface


def start_from(model: HGM, file: Path) -> None:
    """Fill a model with the weights in a safetensors file, all of them and no others.

    A model without a body branch also starts from one that has it, and then does exactly what that
    one does where nobody knows the body. The two-view model, with one surface for each pixel, takes
    over what the one-view model says of the first of two. Raises InputError for networks of other
    sizes.
    """
    tensors: Mapping[str, Tensor] = read_tensors(file)
    own = model.state_dict()
    tensors = {
        name: t[: len(own[name])] if name in SURFACES and name in own else t
        for name, t in tensors.items()
    }
    if not model.config.use_body:
        tensors = without_body(tensors, own[MERGE].shape[1])
    with as_start("network"):
        assign(model, tensors, source=str(file))


def without_body(tensors: Mapping[str, Tensor], columns: int) -> dict[str, Tensor]:
    """The weights that are left without the body branch; the merge network keeps the first
    `columns` input channels."""
    kept = {name: t for name, t in tensors.items() if not name.startswith(BODY_PARTS)}
    if MERGE in kept:
        kept[MERGE] = kept[MERGE][:, :columns]
    return kept
