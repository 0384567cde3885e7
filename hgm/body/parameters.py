"""The numbers that pose and shape one body: the parameters of SMPL-X, as tensors with any leading
batch dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hgm.body.joints import WIDTHS
from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError


@dataclass(frozen=True)
class BodyParameters:
    """SMPL-X parameters; rotations are axis-angle in radians, joint by joint, relative to the
    parent joint.

    The leading dimensions of the fields are broadcast against each other. The hands are
    coefficients of the model's hand components, added to its mean hand; the number of columns says
    how many components are used.
    """

    betas: Tensor  # [..., S], S <= 300
    global_orient: Tensor  # [..., 3], about the pelvis joint
    body_pose: Tensor  # [..., 63], 21 joints
    left_hand_pose: Tensor  # [..., H], H <= 45
    right_hand_pose: Tensor  # [..., H]
    jaw_pose: Tensor  # [..., 3]
    leye_pose: Tensor  # [..., 3]
    reye_pose: Tensor  # [..., 3]
    expression: Tensor  # [..., E], E <= 100

    def __post_init__(self) -> None:
        for name, width in WIDTHS.items():  # the widths of the others are free
            got = tuple(getattr(self, name).shape)
            if got[-1:] != (width,):
                raise ValueError(f"{name} must be [..., {width}], got {got}")
        hands = self.left_hand_pose.shape[-1:], self.right_hand_pose.shape[-1:]
        if hands[0] != hands[1]:
            raise ValueError(
                f"left_hand_pose and right_hand_pose differ in width: {hands[0]} and {hands[1]}"
            )
        try:
            _ = self.shape
        except ValueError:
            shapes = {name: tuple(value.shape) for name, value in self.items()}
            raise ValueError(f"batch shapes do not fit together: {shapes}") from None

    @classmethod
    def zeros(
        cls,
        batch: int | tuple[int, ...] = (),
        *,
        betas: int = 10,
        expression: int = 10,
        hand_components: int = 12,
        device: Any = None,
        dtype: torch.dtype = torch.float32,
    ) -> BodyParameters:
        """The mean body in its rest pose with the mean hand; `batch` is the leading shape."""
        lead = (batch,) if isinstance(batch, int) else tuple(batch)
        widths = {
            **WIDTHS,
            "betas": betas,
            "expression": expression,
            "left_hand_pose": hand_components,
            "right_hand_pose": hand_components,
        }
        return cls(
            **{
                name: torch.zeros(*lead, width, device=device, dtype=dtype)
                for name, width in widths.items()
            }
        )

    @property
    def shape(self) -> torch.Size:
        """The common batch shape."""
        # torch.broadcast_shapes imports SymPy, which a short job waits for
        return torch.Size(np.broadcast_shapes(*(value.shape[:-1] for _, value in self.items())))

    @property
    def hand_components(self) -> int:
        return self.left_hand_pose.shape[-1]

    def items(self) -> list[tuple[str, Tensor]]:
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]

    def map(self, function: Callable[[Tensor], Tensor]) -> BodyParameters:
        """Apply a function to every field."""
        return BodyParameters(**{name: function(value) for name, value in self.items()})

    def to(self, *args: Any, **kwargs: Any) -> BodyParameters:
        return self.map(lambda x: x.to(*args, **kwargs))

    def detach(self) -> BodyParameters:
        return self.map(lambda x: x.detach())

    def expand(self, *batch: int) -> BodyParameters:
        """Every field with the leading shape `batch` (views, no copies)."""
        return self.map(lambda x: x.expand(*batch, x.shape[-1]))

    def __getitem__(self, index: Any) -> BodyParameters:
        """Index the batch dimensions."""
        full = self.expand(*self.shape)
        return full.map(lambda x: x[index])

    def replace(self, **changes: Tensor) -> BodyParameters:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def arrays(self) -> dict[str, np.ndarray]:
        """The fields as float32 numpy arrays."""
        return {name: value.detach().cpu().float().numpy() for name, value in self.items()}

    def save_npz(self, path: str | Path, **extra: Any) -> None:
        """Write the fields and any `extra` arrays beside them as an npz; equal numbers give equal
        bytes."""
        with atomic_write(path) as file:
            np.savez(file, **self.arrays(), **extra)

    @classmethod
    def from_npz(cls, path: str | Path) -> BodyParameters:
        """Read the fields (float32) of an npz with any other arrays; `global_orient` may be absent:
        zero.

        Raises InputError when the file cannot be read or a field is missing or misshapen.
        """
        arrays = read_npz(
            path, [f.name for f in dataclasses.fields(cls)], what="npz file of body parameters"
        )
        if "jaw_pose" in arrays:
            arrays.setdefault("global_orient", np.zeros_like(arrays["jaw_pose"]))
        return parameters_of(arrays, path)


def parameters_of(arrays: dict[str, Any], source: str | Path) -> BodyParameters:
    """BodyParameters (float32) of numpy arrays by name; a problem is an InputError that names
    `source` and the key."""
    tensors = {}
    for field in dataclasses.fields(BodyParameters):
        if field.name not in arrays:
            raise InputError(
                f"{source}: the key {field.name} is missing; expected the parameters of SMPL-X"
            )
        with np.errstate(over="ignore"):
            array = numbers_of(arrays[field.name], f"{source}: {field.name}").astype(np.float32)
        if array.ndim == 0:
            raise InputError(f"{source}: {field.name} is a single number, expected [..., numbers]")
        if not np.isfinite(array).all():
            raise InputError(
                f"{source}: {field.name} holds numbers that are not finite; this fit is unusable"
            )
        tensors[field.name] = torch.from_numpy(array.copy())
    try:
        return BodyParameters(**tensors)
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None
