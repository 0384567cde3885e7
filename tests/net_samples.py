"""A body-like cloud, a rig and a tiny model."""

import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM


def rig(batch: int, views: int, size: int) -> Cameras:
    """Input cameras [batch, views]: front, then back."""
    cameras = orbit(size=size)[[0, 6][:views]]
    return Cameras(
        cameras.K.expand(batch, -1, -1, -1),
        cameras.world_to_camera.expand(batch, -1, -1, -1),
        size,
        size,
    )


def body_points(batch: int, count: int, seed: int = 0) -> Tensor:
    """Points [batch, count, 3] on ellipsoids of a standing person's size."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(
        torch.randn(batch, count, 3, generator=generator), dim=-1
    )
    sizes = torch.tensor([0.25, 0.65, 0.15]) * (
        1 + 0.2 * torch.rand(batch, 1, 3, generator=generator)
    )
    return points * sizes


def tiny_model(views: int = 1, *, surfaces: int = 0, **changes: object) -> HGM:
    """As the paper's, with a Gaussian for each pixel of a map, unless `surfaces` are asked for."""
    torch.manual_seed(0)
    return HGM(HGMConfig.tiny(views, vertices=501, surfaces=surfaces, **changes))


def batch_of(model: HGM, batch: int, seed: int = 0) -> tuple[Tensor, Cameras, Tensor]:
    """images, cameras, vertices."""
    c = model.config
    images = torch.rand(
        batch, c.views, 3, c.input_size, c.input_size, generator=torch.Generator().manual_seed(seed)
    )
    return images, rig(batch, c.views, c.input_size), body_points(batch, c.vertices, seed)
