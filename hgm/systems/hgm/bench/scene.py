"""The inputs of every benchmark stage: the stand-in body in its rest pose, Gaussians on its
surface, and pictures of them."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.body.canonical import canonical
from hgm.body.model import BodyModel
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import of_the_rig
from hgm.splat import Rendering, render
from hgm.standin.body import core
from hgm.systems.hgm.networks.config import HGMConfig


class Scene:
    """The inputs of a preset on a device, from a fixed seed, made on first access."""

    def __init__(self, config: HGMConfig, device: str) -> None:
        self.config = config
        self.device = device
        self.views = of_the_rig(config.input_size)
        self.rig = self.views.cameras.to(device)
        self.sides = [self.views.front, self.views.back]  # the networks' inputs

    @cached_property
    def model(self) -> BodyModel:
        return BodyModel(core.model("male"))

    @cached_property
    def vertices(self) -> Tensor:
        """Vertices [10475, 3] NU."""
        return canonical(self.model, self.model.zeros()).vertices.to(self.device)

    @cached_property
    def faces(self) -> Tensor:
        return self.model.faces

    def gaussians(self, sets: int = 1, *, opacity: float = 0.9) -> Gaussians:
        """Gaussians [sets, N] with the size that an untrained network gives them, N as for one
        input view, uniform on the surface."""
        generator = torch.Generator().manual_seed(0)
        corners = self.vertices.cpu()[self.faces]  # [F, 3 corners, 3]
        area = torch.linalg.cross(
            corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        ).norm(dim=-1)
        count = sets * self.config.gaussians // self.config.views
        face = torch.multinomial(area, count, replacement=True, generator=generator)
        weight = torch.distributions.Exponential(1.0).icdf(
            torch.rand(count, 3, generator=generator)
        )
        # uniform in each triangle
        means = (F.normalize(weight, p=1, dim=-1)[..., None] * corners[face]).sum(1)
        scales = (
            self.config.initial_scale * (0.3 * torch.randn(count, 3, generator=generator)).exp()
        )
        quats = F.normalize(torch.randn(count, 4, generator=generator), dim=-1)
        flat = Gaussians(
            means,
            torch.full((count,), opacity),
            scales,
            quats,
            torch.rand(count, 3, generator=generator),
        )
        return Gaussians.from_packed(flat.packed().unflatten(0, (sets, -1))).to(self.device)

    @cached_property
    def pictures(self) -> Rendering:
        """The 12 views of one set: rgb [12, 3, H, W], alpha and depth."""
        with torch.no_grad():
            return render(self.gaussians()[0], self.rig)
