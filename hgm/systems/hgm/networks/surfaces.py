"""The surfaces of a person along the rays of a picture: where the small presets' Gaussians start.

Each pixel of the person's mask gets one Gaussian for each surface that its ray passes: the first
one, which the picture shows, and the last one, which faces away. Such a Gaussian has axes of
its own, the last of which is the ray of the pixel: it moves along that, so what the picture shows
stays where the picture shows it. The paper's networks predict a Gaussian for each pixel of a map,
background included, anywhere; `HGMConfig.paper()` does so too. docs/deviations.md lists it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians, activate, rotation_matrices
from hgm.systems.hgm.networks.prior import color_logits

PERSON = 0.25  # coverage from which a pixel belongs to the person
SEEN = 0.5  # coverage from which a pixel shows the person's color, not its outline's
DEPTH = 0.08  # NU from the pelvis to a surface where no body says: about half the depth of a body
CELLS = 64  # side of the depth map of a body: its cells are as large as the gaps between vertices
SPLAT = 0.4  # standard deviation of a splat in pixels
SLOPE = 0.3  # how far a splat reaches along its ray, in differences of depth to the next pixels
LONGEST = 0.05  # … and at most, NU
OPAQUE = 0.95
# at the outline in OPAQUE, of what the first picture shows and of all other surfaces, which would
# show beside it
RIM = (0.4, 0.1)
ROUND = 32  # surfaces are rounded as far from the outline as this share of the picture's width
NARROW = 0.002  # NU, half the smallest distance between two surfaces
FAINT = 0.02  # the smallest opacity at the start, which still has a gradient
REACH = 0.3  # NU that a Gaussian may move along its ray
ASIDE = 0.5  # pixels that it may move across it


@dataclass(frozen=True)
class PersonPixels:
    """The pixels of the person in all V views of each sample, view after view in raster order.
    Samples with fewer of them than others are filled up."""

    index: Tensor  # [B, M] long, into V*H*W; 0 where filled up
    counts: tuple[int, ...]  # of each sample; the others in its row fill up

    @property
    def valid(self) -> Tensor:
        """[B, M] bool."""
        counts = torch.tensor(self.counts, device=self.index.device)
        return torch.arange(self.index.shape[1], device=counts.device) < counts[:, None]

    @classmethod
    def of(cls, masks: Tensor) -> PersonPixels:
        """Those of masks [B, V, 1, H, W]. Raises InputError for a sample without any."""
        inside = (masks > PERSON).flatten(1)
        counts = tuple(inside.sum(1).tolist())
        if 0 in counts:
            raise InputError(
                "masks: no pixel belongs to the person; give a picture with its background removed"
            )
        # a stable sort puts the pixels inside first and keeps their order
        index = torch.sort(inside.logical_not().to(torch.uint8), dim=1, stable=True)[1][
            :, : max(counts)
        ]
        found = cls(index, counts)
        return cls(index * found.valid, counts)

    def take(self, maps: Tensor) -> Tensor:
        """Maps [B, V, C, H, W] -> their values at the pixels, [B, M, C]."""
        flat = maps.movedim(2, -1).flatten(1, 3)
        return flat.gather(1, self.index[..., None].expand(-1, -1, flat.shape[-1]))


@dataclass(frozen=True)
class Rays:
    """The rays of pixels [B, M], in the world, and the axes of the Gaussians on them."""

    origin: Tensor  # [B, M, 3]
    step: Tensor  # [B, M, 3], along the ray, to one unit of planar depth
    quats: Tensor  # [B, M, 4] wxyz: the axes, of which the last one is the ray
    pixel: Tensor  # [B, M, 1]: edge of a pixel in NU at a planar depth of one

    @classmethod
    def of(cls, cameras: Cameras, pixels: PersonPixels) -> Rays:
        """Those of cameras [B, V] whose pictures have the pixels."""
        origin, direction = (pixels.take(x) for x in cameras.rays())
        view = pixels.index // (cameras.width * cameras.height)

        def of_view(x: Tensor) -> Tensor:
            """[B, V, C] -> [B, M, C]."""
            return x.gather(1, view[..., None].expand(-1, -1, x.shape[-1]))

        forward = of_view(cameras.world_to_camera[..., 2, :3])
        turn = of_view(camera_quats(cameras))
        axis = (rotation_matrices(turn).mT @ direction[..., None])[..., 0]  # in the camera's axes
        # the shortest turn of the optical axis to the ray
        bend = torch.stack([1 + axis[..., 2], -axis[..., 1], axis[..., 0], 0 * axis[..., 0]], -1)
        return cls(
            origin,
            direction / (direction * forward).sum(-1, keepdim=True),
            multiplied(turn, F.normalize(bend, dim=-1)),
            1 / of_view(cameras.K[..., 0, 0, None]),
        )

    def repeated(self, surfaces: int) -> Rays:
        """[B, surfaces*M], surface after surface."""
        return Rays(
            *(x.repeat(1, surfaces, 1) for x in (self.origin, self.step, self.quats, self.pixel))
        )


@dataclass(frozen=True)
class Start:
    """Where and how Gaussians [B, N] start: depths and what is added to the networks' outputs."""

    rays: Rays  # [B, N]
    depth: Tensor  # [B, N, 1], planar, NU
    raw: Tensor  # [B, N, 14], before the activations; positions are zero
    pixels: PersonPixels  # the Gaussians of other pixels are never seen

    @property
    def points(self) -> Tensor:
        """Where the Gaussians start in the world, [B, N, 3]."""
        return self.rays.origin + self.rays.step * self.depth

    def moved(self, raw: Tensor) -> tuple[Gaussians, Tensor]:
        """Raw outputs [B, N, 14] -> Gaussians, and their depths [B, N, 1]."""
        g = activate(raw + self.raw)
        along = torch.tanh(raw[..., 2:3] / REACH) * REACH
        depth = self.depth + along
        aside = torch.tanh(raw[..., :2]) * ASIDE * self.rays.pixel * depth
        axes = rotation_matrices(self.rays.quats)
        means = (
            self.rays.origin + self.rays.step * depth + (axes[..., :2] @ aside[..., None])[..., 0]
        )
        valid = self.pixels.valid.repeat(1, self.depth.shape[1] // self.pixels.index.shape[1])
        seen = torch.where(valid, g.opacities, torch.zeros_like(g.opacities))
        quats = multiplied(self.rays.quats, g.quats)
        return Gaussians(means.clamp(-1, 1), seen, g.scales, quats, g.colors), depth


@torch.no_grad()
def starts(
    images: Tensor,
    masks: Tensor,
    cameras: Cameras,
    vertices: Tensor | None,
    pixels: PersonPixels,
    surfaces: int,
) -> Start:
    """The start of Gaussians [B, surfaces*M], surface after surface. images [B, V, 3, H, W] in
    [0, 1] over white, masks [B, V, 1, H, W], cameras [B, V], vertices [B, P, 3] NU of a body or
    None, without which the surfaces are those of a person who is equally thick everywhere."""
    rays = Rays.of(cameras, pixels)
    colors = color_logits(pixels.take(person_colors(images, masks)))
    unturned = torch.zeros_like(rays.quats)
    unturned[..., 0] = 1
    depths = []
    raw = []
    for surface, depth in enumerate(surface_depths(masks, cameras, vertices)[:surfaces]):
        at = pixels.take(depth)
        across = SPLAT * rays.pixel * at
        slope = pixels.take(_largest(depth) + _largest(-depth))
        along = torch.maximum((SLOPE * slope).clamp(max=LONGEST), across)
        scales = torch.cat([across, across, along], -1)
        rims = [RIM[surface > 0 or view > 0] for view in range(masks.shape[1])]
        opacities = torch.logit(pixels.take(person_opacities(masks, rims)))
        depths.append(at)
        raw.append(
            torch.cat(
                [
                    torch.zeros_like(rays.step),
                    opacities,
                    _before_softplus(scales / 0.1),
                    unturned,
                    colors,
                ],
                -1,
            )
        )
    return Start(
        rays.repeated(surfaces),
        torch.cat(depths, 1),
        torch.cat(raw, 1),
        pixels,
    )


def surface_depths(
    masks: Tensor, cameras: Cameras, vertices: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Planar depths [B, V, 1, H, W] of the first and the last surface of a person with masks of
    that shape."""
    if vertices is None:
        pelvis = cameras.world_to_camera[..., 2, 3][..., None, None, None].expand_as(masks)
        return rounded(pelvis - DEPTH, pelvis + DEPTH, masks, cameras)
    first, last = (
        F.interpolate(
            d.flatten(0, 1), masks.shape[-2:], mode="bilinear", align_corners=False
        ).unflatten(0, d.shape[:2])
        for d in body_depths(cameras, vertices)
    )
    return rounded(first, last, masks, cameras)


def rounded(first: Tensor, last: Tensor, masks: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Depths of two surfaces, brought together toward the outline of the masks, where the two meet:
    like those of a round limb that is as thick as they are apart. So the mask corrects a body that
    is a little off."""
    inside = masks
    pixels = torch.full_like(masks, 0.5)  # to the outline
    for _ in range(max(1, masks.shape[-1] // ROUND)):
        inside = -_largest(-inside)
        pixels = pixels + inside
    middle = (first + last) / 2
    radius = ((last - first) / 2).clamp(min=NARROW)
    pixel = middle / cameras.K[..., 0, 0][..., None, None, None]
    inward = torch.where(inside > SEEN, 1.0, (pixels * pixel / radius).clamp(0, 1))
    half = radius * (inward * (2 - inward)).sqrt()
    return middle - half, middle + half


def body_depths(cameras: Cameras, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Planar depths [B, V, 1, CELLS, CELLS] of the first and the last vertex [B, P, 3] of a body
    along the rays of cameras [B, V]. Cells without a vertex get those of the cells around them, or
    the pelvis' depth where no vertex is in view."""
    width, height = cameras.width, cameras.height
    pixels, depth = cameras.project(vertices[:, None])  # [B, V, P, 2], [B, V, P]
    column = (pixels[..., 0] * (CELLS / width)).floor().long()
    row = (pixels[..., 1] * (CELLS / height)).floor().long()
    inside = (depth > 0) & (column.clamp(0, CELLS - 1) == column) & (row.clamp(0, CELLS - 1) == row)
    # vertices out of view share a cell behind the last
    cell = torch.where(inside, row * CELLS + column, CELLS * CELLS)
    empty = depth.new_full((*depth.shape[:2], CELLS * CELLS + 1), math.inf)
    pelvis = cameras.world_to_camera[..., 2, 3][..., None, None, None]
    found = []
    for sign in (1, -1):
        nearest = empty.scatter_reduce(-1, cell, sign * depth, "amin")[..., :-1]
        grid = nearest.unflatten(-1, (1, CELLS, CELLS))
        found.append(sign * _filled(grid, sign * pelvis))
    return found[0], found[1]


def _filled(grid: Tensor, otherwise: Tensor) -> Tensor:
    """A grid [B, V, 1, S, S] with its infinite cells filled from the cells around them: means of
    ever larger squares."""
    known = grid.isfinite()
    weight = known.to(grid).flatten(0, 1)
    value = torch.where(known, grid, 0.0).flatten(0, 1)
    levels = [(value, weight)]
    while levels[-1][0].shape[-1] > 1:
        value, weight = (F.avg_pool2d(x, 2) for x in levels[-1])
        levels.append((value, weight))
    value, weight = levels[-1]
    mean = torch.where(weight > 0, value / weight.clamp(min=1e-9), otherwise.flatten(0, 1))
    for value, weight in reversed(levels[:-1]):
        below = F.interpolate(mean, scale_factor=2.0, mode="bilinear", align_corners=False)
        mean = torch.where(weight > 0, value / weight.clamp(min=1e-9), below)
    return mean.unflatten(0, grid.shape[:2])


def person_colors(images: Tensor, masks: Tensor) -> Tensor:
    """Colors [B, V, 3, H, W] of the person alone: pixels of the outline, which show some of the
    white behind the person, get the color that looks like them over white, and those that show
    mostly white the color of the pixels beside them."""
    alone = ((images - (1 - masks)) / masks.clamp(min=SEEN)).clamp(0, 1).flatten(0, 1)
    shown = (masks > SEEN).to(images).flatten(0, 1)
    count = F.avg_pool2d(shown, 3, 1, 1)
    beside = F.avg_pool2d(alone * shown, 3, 1, 1) / count.clamp(min=1e-6)
    mixed = torch.where((shown > 0) | (count == 0), alone, beside)
    return mixed.unflatten(0, images.shape[:2])


def person_opacities(masks: Tensor, rims: Sequence[float]) -> Tensor:
    """Opacities of splats [B, V, 1, H, W] from the coverage of their pixels. Renders widen a splat,
    which would widen the person: those at the outline are fainter, by the factor of their view."""
    factors = masks.new_tensor(rims)[:, None, None, None]
    share = torch.where(-_largest(-masks) < SEEN, factors, 1.0)
    return (OPAQUE * (2 * masks - 1).clamp(0, 1) * share).clamp(min=FAINT)


def _largest(maps: Tensor) -> Tensor:
    """The largest value in the 3 x 3 pixels around each of maps [B, V, 1, H, W]."""
    return F.max_pool2d(maps.flatten(0, 1), 3, 1, 1).unflatten(0, maps.shape[:2])


def _before_softplus(x: Tensor) -> Tensor:
    """The number whose softplus is x."""
    return x + torch.log(-torch.expm1(-x))


def multiplied(a: Tensor, b: Tensor) -> Tensor:
    """Products [..., 4] of quaternions wxyz: first the turn b, then the turn a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def camera_quats(cameras: Cameras) -> Tensor:
    """Unit quaternions wxyz [..., 4] that turn the cameras' axes into the world's."""
    R = cameras.world_to_camera[..., :3, :3].mT
    r = R.flatten(-2).unbind(-1)
    # four times the products of the quaternion's numbers; its largest row is the safest
    products = torch.stack(
        [
            *(1 + r[0] + r[4] + r[8], r[7] - r[5], r[2] - r[6], r[3] - r[1]),
            *(r[7] - r[5], 1 + r[0] - r[4] - r[8], r[1] + r[3], r[2] + r[6]),
            *(r[2] - r[6], r[1] + r[3], 1 - r[0] + r[4] - r[8], r[5] + r[7]),
            *(r[3] - r[1], r[2] + r[6], r[5] + r[7], 1 - r[0] - r[4] + r[8]),
        ],
        -1,
    ).unflatten(-1, (4, 4))
    best = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = products.gather(-2, best[..., None, None].expand(*best.shape, 1, 4))[..., 0, :]
    return F.normalize(row, dim=-1)
