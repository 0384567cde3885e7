"""The space of the training poses: what their maps have in common, and a pose's map kept inside.

A network that sees a map far from all that it was trained on gives anything. The maps' principal
components say how far a pose departs from the training's in each of their directions; what is
farther is brought back (Animatable Gaussians, section on pose projection).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.settings import MOST_COMPONENTS

ADVICE = "train the avatar again"
CHUNK = 32  # maps that are made at once
BLOCK = 8192  # numbers of each map that are multiplied at once in float64
NOTHING = 1e-10  # of the largest variance: a component below it is rounding


@dataclass(frozen=True)
class PoseSpace:
    """The K directions in which maps [3, s, s] of training poses differ most, float32."""

    size: int  # edge of a map
    pixels: Tensor  # [M] int64, those that show the person, counted by rows
    mean: Tensor  # [3 M]
    components: Tensor  # [K, 3 M], each of length one, the largest deviation first
    deviations: Tensor  # [K] standard deviations of the training poses

    def __len__(self) -> int:
        """The number of components."""
        return len(self.components)

    @classmethod
    @torch.no_grad()
    def fit(
        cls, canonical: CanonicalMaps, poses: Tensor, components: int = MOST_COMPONENTS
    ) -> PoseSpace:
        """The space of poses [F, 55, 4, 4] (`FrameTransforms.poses`), on their device. It has fewer
        components than asked for where the poses span fewer dimensions."""
        pixels, _ = canonical.coarse
        maps = [position_map(canonical, part).flatten(2) for part in poses.split(CHUNK)]
        rows = torch.cat([x[:, :, pixels].flatten(1) for x in maps])
        mean = rows.double().mean(0).float()
        rows = rows - mean
        # F is smaller than 3 M: the products of the frames have the same spectrum
        products = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
        for block in rows.split(BLOCK, dim=1):
            products += block.double() @ block.double().mT
        squares, vectors = torch.linalg.eigh(products)
        order = squares.argsort(descending=True)[:components]
        order = order[squares[order] > NOTHING * squares.max().clamp(min=NOTHING)]
        lengths = squares[order].sqrt()
        found = (vectors[:, order] / lengths).float().mT @ rows
        deviations = (lengths / max(len(rows) - 1, 1) ** 0.5).float()
        return cls(canonical.size // 2, pixels, mean, found, deviations)

    def coefficients(self, maps: Tensor) -> Tensor:
        """How far maps [..., 3, s, s] are from the mean along each component [..., K], meters."""
        return (self._numbers(maps) - self.mean) @ self.components.mT

    def project(self, maps: Tensor, sigma: float, components: int | None = None) -> Tensor:
        """Maps [..., 3, s, s] of poses as the nearest ones that the first `components`, or all of
        them, can give, none of which departs from the mean by more than `sigma` deviations."""
        count = len(self) if components is None else components
        limits = sigma * self.deviations[:count]
        along = self.coefficients(maps)[..., :count]
        kept = along.clamp(-limits, limits)
        numbers = (self.mean + kept @ self.components[:count]).unflatten(-1, (3, -1))
        picture = numbers.new_zeros(*numbers.shape[:-1], self.size**2)
        picture = picture.index_copy(-1, self.pixels, numbers)
        return picture.unflatten(-1, (self.size, self.size))

    def _numbers(self, maps: Tensor) -> Tensor:
        """The person's pixels [..., 3 M] of maps."""
        return maps.flatten(-2)[..., self.pixels].flatten(-2)

    def to(self, device: torch.device | str) -> PoseSpace:
        tensors = (self.pixels, self.mean, self.components, self.deviations)
        return PoseSpace(self.size, *(x.to(device) for x in tensors))

    def save(self, path: str | Path) -> None:
        """Write an npz; equal spaces give equal bytes."""
        arrays = {
            "pixels": self.pixels,
            "mean": self.mean,
            "components": self.components,
            "deviations": self.deviations,
        }
        with atomic_write(path) as file:
            np.savez(file, size=self.size, **{name: x.cpu().numpy() for name, x in arrays.items()})

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> PoseSpace:
        """Read what `save` wrote. Raises InputError for any other file."""
        keys = ("size", "pixels", "mean", "components", "deviations")
        arrays = read_npz(path, keys, what="space of poses", advice=ADVICE)
        if missing := [key for key in keys if key not in arrays]:
            raise InputError(f"{path}: the key {missing[0]} is missing; {ADVICE}")
        numbers = {key: numbers_of(arrays[key], f"{path}: {key}") for key in keys}
        points = len(np.atleast_1d(numbers["pixels"]))
        count = len(np.atleast_1d(numbers["deviations"]))
        shapes = {
            "size": (),
            "pixels": (points,),
            "mean": (3 * points,),
            "components": (count, 3 * points),
            "deviations": (count,),
        }
        for key, shape in shapes.items():
            if numbers[key].shape != shape or not np.isfinite(numbers[key]).all():
                raise InputError(f"{path}: {key} is not {shape} finite numbers; {ADVICE}")
        size = int(numbers.pop("size"))
        pixels = torch.from_numpy(numbers.pop("pixels").astype(np.int64))
        if points and not 0 <= int(pixels.min()) <= int(pixels.max()) < size**2:
            raise InputError(f"{path}: pixels are not those of a map of {size}; {ADVICE}")
        floats = {key: torch.from_numpy(x.astype(np.float32)) for key, x in numbers.items()}
        return cls(size, pixels, **floats).to(device)
