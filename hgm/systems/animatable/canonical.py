"""The canonical maps: two pictures of a person in the star pose, from the front and from behind,
whose every pixel is a Gaussian of the avatar.

The view from behind is mirrored, so that both have one silhouette and a pixel of either has the
same x and y: a network can fill both. Lengths are meters, in the axes of the body model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.model import JOINTS
from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError

SIDES = 2  # front and back
ARRAYS = ("mask", "positions", "normals", "weights", "rest_transforms", "joints", "center")
ADVICE = "delete it and run again"


@dataclass(frozen=True, eq=False)
class CanonicalMaps:
    """Maps of S x S pixels, N of which show the person; float32.

    The N points stand in the order of the mask's rows, those of the front first.
    """

    mask: Tensor  # [2, S, S] bool, front and back; both are the same
    positions: Tensor  # [N, 3] in the star pose
    normals: Tensor  # [N, 3] of length one, outwards
    weights: Tensor  # [N, 55] of the joints, which sum to one
    rest_transforms: Tensor  # [55, 4, 4] of the joints, from the rest pose to the star
    joints: Tensor  # [55, 3] in the star pose
    center: Tensor  # [3] of the box around the person, and of the pictures

    def __len__(self) -> int:
        """The number of points."""
        return len(self.positions)

    @property
    def size(self) -> int:
        """The edge of a map in pixels."""
        return int(self.mask.shape[-1])

    @cached_property
    def _pixels(self) -> Tensor:
        """The place [N] of each point among the pixels of both maps."""
        return self.mask.flatten().nonzero()[:, 0]

    @cached_property
    def coarse(self) -> tuple[Tensor, Tensor]:
        """The front map with every other row and column alone: which of its pixels, counted by
        rows, show the person [M], and which points these are [M]."""
        numbers = self.mask[0].flatten().cumsum(0).reshape(self.size, self.size) - 1
        pixels = self.mask[0, ::2, ::2].flatten().nonzero()[:, 0]
        return pixels, numbers[::2, ::2].flatten()[pixels]

    def grid(self, values: Tensor) -> Tensor:
        """Values [..., N, C] of the points as maps [..., 2, C, S, S], 0 where nobody is."""
        maps = values.new_zeros(*values.shape[:-2], self.mask.numel(), values.shape[-1])
        maps = maps.index_copy(-2, self._pixels, values)
        return maps.unflatten(-2, self.mask.shape).movedim(-1, -3)

    def pick(self, maps: Tensor) -> Tensor:
        """Of maps [..., 2, C, S, S] the values [..., N, C] of the points."""
        return maps.movedim(-3, -1).flatten(-4, -2).index_select(-2, self._pixels)

    def to(self, device: torch.device | str) -> CanonicalMaps:
        return CanonicalMaps(**{name: getattr(self, name).to(device) for name in ARRAYS})

    def save(self, path: str | Path) -> None:
        """Write an npz; equal maps give equal bytes."""
        with atomic_write(path) as file:
            np.savez(file, **{name: getattr(self, name).cpu().numpy() for name in ARRAYS})

    @classmethod
    def load(cls, path: str | Path) -> CanonicalMaps:
        """Read what `save` wrote. Raises InputError for any other file."""
        arrays = read_npz(path, ARRAYS, what="file of canonical maps", advice=ADVICE)
        for name in ARRAYS:
            if name not in arrays:
                raise InputError(f"{path}: the key {name} is missing; {ADVICE}")
        mask = arrays.pop("mask")
        if mask.ndim != 3 or len(mask) != SIDES or mask.dtype != np.bool_:
            raise InputError(f"{path}: mask is {mask.dtype} {mask.shape}; {ADVICE}")
        count = int(mask.sum())
        shapes = {
            "positions": (count, 3),
            "normals": (count, 3),
            "weights": (count, JOINTS),
            "rest_transforms": (JOINTS, 4, 4),
            "joints": (JOINTS, 3),
            "center": (3,),
        }
        for name, shape in shapes.items():
            numbers = numbers_of(arrays[name], f"{path}: {name}")
            if numbers.shape != shape or not np.isfinite(numbers).all():
                raise InputError(f"{path}: {name} is not {shape} finite numbers; {ADVICE}")
        floats = {n: torch.from_numpy(a.astype(np.float32)) for n, a in arrays.items()}
        return cls(torch.from_numpy(mask), **floats)
