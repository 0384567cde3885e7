"""The sizes of the work of each preset, as in config/hgm/tiny.yaml, config.yaml and
config/hgm/thuman2.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hgm.mesh.settings import Mesh
from hgm.systems.hgm.back_view.settings import BackView, DiffusionBase
from hgm.systems.hgm.networks.config import HGMConfig


@dataclass(frozen=True)
class Sizes:
    """One preset."""

    network: Callable[..., HGMConfig]  # called with the number of input views and changed fields
    batch: int  # samples in a training step
    supervised: int  # views that the renders of a sample are compared with
    back_view: BackView
    base: DiffusionBase | None  # None: Stable Diffusion 1.5's sizes
    refine: int  # width of the silhouettes of the SMPL-X refinement in pixels
    normals: tuple[int, ...]  # widths of the normal net
    mesh: Mesh


PRESETS = {
    "tiny": Sizes(
        HGMConfig.tiny,
        1,
        2,
        BackView(strength=0.05, steps=20, guidance=1.0),
        DiffusionBase(vae_channels=[8, 16], unet_channels=[8, 16], heads=2, text_width=16),
        64,
        (8, 16),
        Mesh(cameras=8, size=64, voxel=0.01171875, truncation=0.025, refine_steps=50),
    ),
    "small": Sizes(
        HGMConfig.small,
        1,
        4,
        BackView(strength=0.05, guidance=1.0),
        DiffusionBase(),
        128,
        (16, 32, 64),
        Mesh(cameras=24, size=128, voxel=0.01171875, truncation=0.025, refine_steps=50),
    ),
    "paper": Sizes(HGMConfig.paper, 4, 12, BackView(), None, 128, (64, 128, 256), Mesh(cameras=64)),
}
