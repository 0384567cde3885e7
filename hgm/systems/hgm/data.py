"""Training samples from view folders. The scans and views of a step depend on (seed, step) only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from hgm.body.canonical import UNITS_PER_METER
from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.images.views import resize
from hgm.systems.hgm.augmentation import moved_body
from hgm.systems.hgm.sections.training import HGMTraining
from hgm.train.scan_store import ScanStore

Side = Literal["front", "back"]


@dataclass(frozen=True)
class Batch:
    """B samples. Images are float32 in [0, 1] over white; vertices are in normalized units."""

    images: Tensor  # [B, V, 3, H, W], the input views
    masks: Tensor  # [B, V, 1, H, W], their coverage
    cameras: Cameras  # [B, V]
    rays: Cameras  # [B, V], of the ray embedding: `cameras`, unless these are jittered
    vertices: Tensor  # [B, P, 3]
    target_rgb: Tensor  # [B, T, 3, h, w]
    target_mask: Tensor  # [B, T, 1, h, w]
    target_cameras: Cameras  # [B, T]

    def to(self, device: str | torch.device) -> Batch:
        def move(x: Tensor) -> Tensor:
            return x.to(device, non_blocking=True)

        return Batch(
            move(self.images),
            move(self.masks),
            self.cameras.to(device),
            self.rays.to(device),
            move(self.vertices),
            move(self.target_rgb),
            move(self.target_mask),
            self.target_cameras.to(device),
        )

    def __getitem__(self, part: slice) -> Batch:
        """A batch of some of the samples."""
        return Batch(
            self.images[part],
            self.masks[part],
            self.cameras[part],
            self.rays[part],
            self.vertices[part],
            self.target_rgb[part],
            self.target_mask[part],
            self.target_cameras[part],
        )

    def pinned(self) -> Batch:
        """The same batch with its images in page-locked memory, from which a GPU copies while it
        computes."""
        return Batch(
            self.images.pin_memory(),
            self.masks.pin_memory(),
            self.cameras,
            self.rays,
            self.vertices.pin_memory(),
            self.target_rgb.pin_memory(),
            self.target_mask.pin_memory(),
            self.target_cameras,
        )


def turn_about_y(vertices: Tensor, degrees: float) -> Tensor:
    """Vertices [..., 3] rotated about the world's y axis by `degrees`, positive from +z toward
    +x."""
    a = math.radians(degrees)
    R = vertices.new_tensor(
        [[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]]
    )
    return vertices @ R.mT


def turn_cameras_about_y(cameras: Cameras, degrees: float) -> Cameras:
    """Cameras that see the vertices rotated by `turn_about_y` as `cameras` see them unrotated."""
    back = turn_about_y(torch.eye(3, dtype=torch.float64), degrees)  # the inverse of the turn
    w2c = cameras.world_to_camera.clone()
    w2c[..., :3, :3] = (w2c[..., :3, :3].double() @ back.to(w2c.device)).to(w2c)
    return Cameras(cameras.K, w2c, cameras.width, cameras.height)


def scan_order(count: int, seed: int, epoch: int) -> list[int]:
    """The order of the scans in one epoch."""
    return torch.randperm(
        count, generator=torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch))
    ).tolist()


def draw(
    store: ScanStore,
    section: HGMTraining,
    step: int,
    seed: int,
    generator: torch.Generator,
    *,
    inputs: Sequence[Side],
    size: int,
) -> tuple[Batch, list[int]]:
    """The batch of one (micro-)step, and which scans are in it. Every scan occurs once in an
    epoch."""
    scans = []
    for k in range(step * section.batch, (step + 1) * section.batch):
        scans.append(scan_order(len(store), seed, k // len(store))[k % len(store)])
    batch = batch_of(
        store,
        scans,
        inputs=inputs,
        supervised=section.supervised,
        size=size,
        generator=generator,
        turn=section.turn,
    )
    if section.body_error > 0:
        error = section.body_error / 1000 * UNITS_PER_METER
        moved = [moved_body(v, generator, error=error) for v in batch.vertices]
        batch = replace(batch, vertices=torch.stack(moved))
    return batch, scans


def batch_of(
    store: ScanStore,
    scans: Sequence[int],
    *,
    inputs: Sequence[Side],
    supervised: int,
    size: int,
    generator: torch.Generator | None = None,
    turn: bool = False,
) -> Batch:
    """The batch of given scans, with the views that the networks get as input (`inputs`) and up to
    `supervised` views that their renders are compared with, all of `size` pixels.

    A generator draws the supervised views and, with `turn`, which view is the front. Without a
    generator the supervised views are evenly spaced and the front view is that of the scan.
    """
    samples = [_sample(store, scan, inputs, supervised, size, generator, turn) for scan in scans]
    images, masks, K, w2c, vertices, rgb, mask, target_K, target_w2c = (
        torch.stack(x) for x in zip(*samples, strict=True)
    )
    cameras = Cameras(K, w2c, size, size)
    return Batch(
        images,
        masks,
        cameras,
        cameras,
        vertices,
        rgb,
        mask,
        Cameras(target_K, target_w2c, size, size),
    )


def _sample(
    store: ScanStore,
    scan: int,
    inputs: Sequence[Side],
    supervised: int,
    size: int,
    generator: torch.Generator | None,
    turn: bool,
) -> tuple[Tensor, ...]:
    seen = store.viewpoints(scan)
    views = len(seen)
    count = min(supervised, views)
    if generator is None:
        shift = 0
        targets = [i * views // count for i in range(count)]
    else:
        shift = int(torch.randint(views, (), generator=generator)) if turn else 0
        targets = torch.randperm(views, generator=generator)[:count].sort().values.tolist()
    front = seen.ring[shift]
    sides: dict[Side, int] = {"front": front, "back": seen.opposite(front)}
    # rotates the view that was drawn as the front to azimuth 0
    degrees = -seen.angles[front]
    cameras = turn_cameras_about_y(seen.cameras, degrees) if shift else seen.cameras
    resized = cameras.resized(size)

    def read(indices: Sequence[int]) -> tuple[Tensor, Tensor, Cameras]:
        pairs = [store.view(scan, i) for i in indices]
        rgb, mask = (torch.stack([p[k] for p in pairs]).float() / 255 for k in (0, 1))
        return resize(rgb, size), resize(mask, size), resized[list(indices)]

    images, masks, given = read([sides[side] for side in inputs])
    rgb, mask, targeted = read([seen.ring[(i + shift) % views] for i in targets])
    vertices = turn_about_y(store.body(scan), degrees)
    return (
        images,
        masks,
        given.K,
        given.world_to_camera,
        vertices,
        rgb,
        mask,
        targeted.K,
        targeted.world_to_camera,
    )
