"""The container of 3D Gaussians, the network's activations and the `.ply` that common viewers
open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.errors import InputError

SH_C0 = 0.28209479177387814  # the constant spherical harmonic: color = 0.5 + SH_C0 * f_dc
CHANNELS = 14  # xyz, opacity, scale, quaternion wxyz, rgb


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians in the world frame, activated: opacities and colors in [0, 1], scales positive,
    unit quaternions (wxyz)."""

    means: Tensor  # [..., N, 3]
    opacities: Tensor  # [..., N]
    scales: Tensor  # [..., N, 3]
    quats: Tensor  # [..., N, 4]
    colors: Tensor  # [..., N, 3]

    def __post_init__(self) -> None:
        shape = self.means.shape[:-1]
        for name, width in (("means", 3), ("scales", 3), ("quats", 4), ("colors", 3)):
            got = tuple(getattr(self, name).shape)
            if got != (*shape, width):
                raise ValueError(f"{name} must be {(*shape, width)}, got {got}")
        if self.opacities.shape != shape:
            raise ValueError(f"opacities must be {tuple(shape)}, got {tuple(self.opacities.shape)}")

    @property
    def shape(self) -> torch.Size:
        """Batch shape and N: [..., N]."""
        return self.means.shape[:-1]

    def __len__(self) -> int:
        return self.shape[-1]

    def _map(self, fn: Any) -> Gaussians:
        return Gaussians(*(fn(getattr(self, f.name)) for f in fields(self)))

    def __getitem__(self, index: Any) -> Gaussians:
        """Index the leading batch dimensions (or N of an unbatched set)."""
        return self._map(lambda x: x[index])

    def to(self, *args: Any, **kwargs: Any) -> Gaussians:
        return self._map(lambda x: x.to(*args, **kwargs))

    def detach(self) -> Gaussians:
        return self._map(lambda x: x.detach())

    def transformed(
        self, rotation: Tensor, *, scale: float | Tensor = 1.0, shift: Tensor | float = 0.0
    ) -> Gaussians:
        """All of them turned by a rotation [..., 3, 3] about the origin, then scaled, then
        shifted."""
        means = scale * (rotation[..., None, :, :] @ self.means[..., None])[..., 0] + shift
        quats = quaternions(rotation[..., None, :, :] @ rotation_matrices(self.quats))
        return Gaussians(means, self.opacities, scale * self.scales, quats, self.colors)

    def packed(self) -> Tensor:
        """[..., N, 14] in the order of `from_packed`."""
        return torch.cat(
            [self.means, self.opacities[..., None], self.scales, self.quats, self.colors], -1
        )

    @classmethod
    def from_packed(cls, x: Tensor) -> Gaussians:
        """[..., N, 14] activated numbers: xyz, opacity, scale, quaternion wxyz, rgb."""
        means, opacity, scales, quats, colors = x.split([3, 1, 3, 4, 3], -1)
        return cls(means, opacity[..., 0], scales, quats, colors)

    @classmethod
    def cat(cls, parts: Sequence[Gaussians]) -> Gaussians:
        """Join along N."""
        return cls.from_packed(torch.cat([p.packed() for p in parts], -2))

    @classmethod
    def stack(cls, parts: Sequence[Gaussians]) -> Gaussians:
        """Join along a new leading dimension; a part with fewer Gaussians is filled up with
        invisible ones."""
        longest = max(len(p) for p in parts)
        invisible = parts[0].means.new_zeros(CHANNELS)
        invisible[7] = 1.0  # of the unit quaternion
        return cls.from_packed(
            torch.stack(
                [
                    torch.cat(
                        [p.packed(), invisible.expand(*p.shape[:-1], longest - len(p), -1)], -2
                    )
                    for p in parts
                ]
            )
        )

    def normals(self) -> Tensor:
        """[..., N, 3]: the rotation's column of the shortest axis; its sign is arbitrary."""
        axis = self.scales.argmin(-1)[..., None, None].expand(*self.shape, 3, 1)
        return rotation_matrices(self.quats).gather(-1, axis)[..., 0]

    def save_ply(self, path: str | Path, *, min_opacity: float = 0.005) -> None:
        """Write the common 3DGS layout (binary little endian); Gaussians under `min_opacity` are
        left out. Unbatched only."""
        if self.means.ndim != 2:
            raise ValueError(f"save_ply takes one unbatched set, got shape {tuple(self.shape)}")
        g = self.detach().to("cpu", torch.float32)
        g = g[g.opacities >= min_opacity]
        opacity = torch.logit(g.opacities.clamp(1e-6, 1 - 1e-6))[:, None]
        dc = (g.colors - 0.5) / SH_C0
        scales = g.scales.clamp(min=1e-8).log()
        columns = torch.cat([g.means, g.normals(), dc, opacity, scales, g.quats], 1)
        header = "\n".join(
            [
                "ply",
                "format binary_little_endian 1.0",
                f"element vertex {len(g)}",
                *(f"property float {name}" for name in PLY_PROPERTIES),
                "end_header",
                "",
            ]
        )
        from hgm.core.files import atomic_write

        with atomic_write(path) as file:
            file.write(header.encode("ascii"))
            file.write(columns.numpy().astype("<f4").tobytes())

    @classmethod
    def load_ply(cls, path: str | Path) -> Gaussians:
        """Read a 3DGS `.ply` (float properties, any order, any extra properties)."""
        data = Path(path).read_bytes()
        end = data.find(b"end_header\n")
        if not data.startswith(b"ply") or end < 0:
            raise InputError(f"{path}: not a PLY file")
        lines = data[:end].decode("ascii", "replace").split("\n")
        if "format binary_little_endian 1.0" not in lines:
            raise InputError(f"{path}: only binary little endian PLY files are read")
        try:
            count = next(int(x.split()[2]) for x in lines if x.startswith("element vertex"))
            dtype = np.dtype(
                [
                    (x.split()[2], PLY_TYPES[x.split()[1]])
                    for x in lines
                    if x.startswith("property ")
                ]
            )
            table = np.frombuffer(data, dtype, count, end + len(b"end_header\n"))

            def pick(names: Iterable[str]) -> Tensor:
                return torch.from_numpy(np.stack([table[n].astype(np.float32) for n in names], -1))

            return cls(
                pick(["x", "y", "z"]),
                torch.sigmoid(pick(["opacity"])[:, 0]),
                pick([f"scale_{i}" for i in range(3)]).exp(),
                F.normalize(pick([f"rot_{i}" for i in range(4)]), dim=-1),
                pick([f"f_dc_{i}" for i in range(3)]) * SH_C0 + 0.5,
            )
        except (KeyError, ValueError, IndexError, StopIteration) as error:
            raise InputError(
                f"{path}: not a 3DGS point cloud ({error}); expected x y z f_dc opacity scale rot"
            ) from None


PLY_PROPERTIES = [
    "x",
    "y",
    "z",
    "nx",
    "ny",
    "nz",
    "f_dc_0",
    "f_dc_1",
    "f_dc_2",
    "opacity",
    "scale_0",
    "scale_1",
    "scale_2",
    "rot_0",
    "rot_1",
    "rot_2",
    "rot_3",
]
PLY_TYPES = {
    "float": "<f4",
    "float32": "<f4",
    "double": "<f8",
    "uchar": "u1",
    "uint8": "u1",
    "int": "<i4",
    "uint": "<u4",
}


def activate(raw: Tensor) -> Gaussians:
    """Network output [..., N, 14] -> Gaussians, with LGM's activations as HGM uses them (spec
    section 3.2).

    Position clamped to [-1, 1], opacity sigmoid, scale 0.1 softplus, unit quaternion, color 0.5
    tanh + 0.5.
    """
    xyz, opacity, scale, quat, rgb = raw.float().split([3, 1, 3, 4, 3], -1)
    return Gaussians(
        xyz.clamp(-1, 1),
        torch.sigmoid(opacity[..., 0]),
        0.1 * F.softplus(scale),
        F.normalize(quat, dim=-1),
        0.5 * torch.tanh(rgb) + 0.5,
    )


def rotation_matrices(quats: Tensor) -> Tensor:
    """Quaternions wxyz [..., 4] (any length) -> rotation matrices [..., 3, 3]."""
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y - w * z),
            2 * (x * z + w * y),
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
        ],
        -1,
    ).unflatten(-1, (3, 3))


def quaternions(matrices: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] -> unit quaternions wxyz [..., 4], the inverse of
    `rotation_matrices` but for the sign; differentiable, whatever the angle."""
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # four times the square of each component, and its products with the others
    w = torch.stack(
        [
            1 + xx + yy + zz,
            m[..., 2, 1] - m[..., 1, 2],
            m[..., 0, 2] - m[..., 2, 0],
            m[..., 1, 0] - m[..., 0, 1],
        ],
        -1,
    )
    x = torch.stack(
        [w[..., 1], 1 + xx - yy - zz, m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]], -1
    )
    y = torch.stack([w[..., 2], x[..., 2], 1 - xx + yy - zz, m[..., 1, 2] + m[..., 2, 1]], -1)
    z = torch.stack([w[..., 3], x[..., 3], y[..., 3], 1 - xx - yy + zz], -1)
    rows = torch.stack([w, x, y, z], -2)  # [..., 4, 4], each along the quaternion
    largest = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    return F.normalize(rows.gather(-2, largest.expand(*largest.shape[:-1], 4))[..., 0, :], dim=-1)
