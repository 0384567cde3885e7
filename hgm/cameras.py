"""Pinhole cameras in OpenCV axes (x right, y down, z forward), pixel centers at +0.5; K is the only
source of field of view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hgm.rig import FOCAL, RADIUS, VIEWS


@dataclass(frozen=True)
class Cameras:
    """A batch of cameras that share one image size.

    K [..., 3, 3] in pixels; world_to_camera [..., 4, 4] in normalized units.
    """

    K: Tensor
    world_to_camera: Tensor
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.K.shape[-2:] != (3, 3) or self.world_to_camera.shape[-2:] != (4, 4):
            raise ValueError(
                "K must be [..., 3, 3] and world_to_camera [..., 4, 4], got "
                f"{tuple(self.K.shape)} and {tuple(self.world_to_camera.shape)}"
            )
        if self.K.shape[:-2] != self.world_to_camera.shape[:-2]:
            raise ValueError(
                f"batch shapes differ: {tuple(self.K.shape[:-2])} and "
                f"{tuple(self.world_to_camera.shape[:-2])}"
            )

    @property
    def shape(self) -> torch.Size:
        return self.K.shape[:-2]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Cameras:
        return Cameras(self.K[index], self.world_to_camera[index], self.width, self.height)

    def to(self, *args: Any, **kwargs: Any) -> Cameras:
        return Cameras(
            self.K.to(*args, **kwargs),
            self.world_to_camera.to(*args, **kwargs),
            self.width,
            self.height,
        )

    @property
    def camera_to_world(self) -> Tensor:
        """[..., 4, 4], the rigid inverse of world_to_camera."""
        R = self.world_to_camera[..., :3, :3]
        t = self.world_to_camera[..., :3, 3:]
        top = torch.cat([R.mT, -R.mT @ t], -1)
        return torch.cat([top, self.world_to_camera[..., 3:, :]], -2)

    @property
    def centers(self) -> Tensor:
        """[..., 3], camera centers in the world."""
        return self.camera_to_world[..., :3, 3]

    def resized(self, width: int, height: int | None = None) -> Cameras:
        """The same cameras with another image size; K is scaled, the image center stays the
        center."""
        height = width if height is None else height
        scale = self.K.new_tensor([width / self.width, height / self.height, 1.0])
        return Cameras(self.K * scale[:, None], self.world_to_camera, width, height)

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """World points [..., N, 3] -> pixels [..., N, 2] (centers at +0.5) and planar depth [...,
        N]."""
        p = points @ self.world_to_camera[..., :3, :3].mT + self.world_to_camera[..., None, :3, 3]
        q = p @ self.K.mT
        return q[..., :2] / q[..., 2:], p[..., 2]

    def rays(self) -> tuple[Tensor, Tensor]:
        """World rays through the pixel centers: origins [..., 3, H, W] and unit directions [..., 3,
        H, W]."""
        y, x = torch.meshgrid(
            torch.arange(self.height, dtype=self.K.dtype, device=self.K.device) + 0.5,
            torch.arange(self.width, dtype=self.K.dtype, device=self.K.device) + 0.5,
            indexing="ij",
        )
        pixels = torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1)  # [3, H*W]
        d = self.camera_to_world[..., :3, :3] @ torch.linalg.inv(self.K) @ pixels
        d = torch.nn.functional.normalize(d, dim=-2).unflatten(-1, (self.height, self.width))
        o = self.centers[..., None, None].expand_as(d)
        return o, d

    def ray_embedding(self) -> Tensor:
        """Pluecker coordinates [..., 6, H, W]: moment o x d, then direction d (paper section
        3.3.1)."""
        o, d = self.rays()
        return torch.cat([torch.linalg.cross(o, d, dim=-3), d], -3)

    def to_json(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "height": self.height,
            "K": self.K.tolist(),
            "world_to_camera": self.world_to_camera.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], dtype: torch.dtype = torch.float32) -> Cameras:
        return cls(
            torch.tensor(data["K"], dtype=dtype),
            torch.tensor(data["world_to_camera"], dtype=dtype),
            int(data["width"]),
            int(data["height"]),
        )


def intrinsics(
    width: int, height: int | None = None, focal: float = FOCAL, dtype: torch.dtype = torch.float32
) -> Tensor:
    """K [3, 3] with square pixels, f = focal * width and the principal point in the image
    center."""
    height = width if height is None else height
    f = focal * width
    return torch.tensor([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]], dtype=dtype)


def look_at(eyes: Tensor, target: Tensor, up: Tensor | None = None) -> Tensor:
    """world_to_camera [..., 4, 4] of cameras at eyes [..., 3] that look at target [3] or [..., 3];
    y of the world is up."""
    up = eyes.new_tensor([0.0, 1.0, 0.0]) if up is None else up
    forward = torch.nn.functional.normalize(target - eyes, dim=-1)
    right = torch.nn.functional.normalize(
        torch.linalg.cross(forward, up.expand_as(forward)), dim=-1
    )
    down = torch.linalg.cross(forward, right)
    R = torch.stack([right, down, forward], -2)
    t = -(R @ eyes[..., None])
    bottom = eyes.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*eyes.shape[:-1], 1, 4)
    return torch.cat([torch.cat([R, t], -1), bottom], -2)


def orbit(
    views: int = VIEWS,
    *,
    size: int = 512,
    radius: float = RADIUS,
    elevation: float = 0.0,
    start: float = 0.0,
    focal: float = FOCAL,
    dtype: torch.dtype = torch.float32,
) -> Cameras:
    """The paper's rig: cameras [views] on a circle around the pelvis, azimuth start + 360/views *
    i; of the 12, 0 is in front, 3 at +x, 6 behind and 9 at -x."""
    azimuth = torch.arange(views, dtype=torch.float64) * (2 * math.pi / views) + math.radians(start)
    e = math.radians(elevation)
    eyes = radius * torch.stack(
        [
            azimuth.sin() * math.cos(e),
            torch.full_like(azimuth, math.sin(e)),
            azimuth.cos() * math.cos(e),
        ],
        -1,
    )
    w2c = look_at(eyes, eyes.new_zeros(3)).to(dtype)
    return Cameras(
        intrinsics(size, focal=focal, dtype=dtype).expand(views, 3, 3).contiguous(), w2c, size, size
    )


def sphere(views: int, *, size: int = 512, radius: float = RADIUS, focal: float = FOCAL) -> Cameras:
    """Cameras [views] on a Fibonacci sphere around the pelvis, poles avoided, for dense depth
    renders."""
    i = torch.arange(views, dtype=torch.float64) + 0.5
    y = (1 - 2 * i / views) * 0.98
    a = math.pi * (1 + 5**0.5) * i
    r = (1 - y * y).sqrt()
    eyes = radius * torch.stack([r * a.sin(), y, r * a.cos()], -1)
    w2c = look_at(eyes, eyes.new_zeros(3)).float()
    return Cameras(intrinsics(size, focal=focal).expand(views, 3, 3).contiguous(), w2c, size, size)
