"""A tiny base, views and pairs that the tests share; nothing is downloaded."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import pytest
import torch

from hgm.cameras import orbit
from hgm.images.views import save_cameras, save_image, view_path
from hgm.systems.hgm.back_view.pairs import make_pairs
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.back_view.small_base import train_base

SIZE = 32  # pixels of the images
TINY = DiffusionBase(
    vae_channels=[8, 8, 16],
    latent_channels=4,
    vae_steps=2,
    vae_batch=2,
    vae_crop=16,
    unet_crop=16,
    unet_channels=[8, 16],
    heads=2,
    text_width=8,
    unet_steps=2,
    unet_batch=2,
)


def blob_image(seed: int, size: int = 32) -> torch.Tensor:
    """[3, size, size]: a colored, patterned block on white."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.ones(3, size, size)
    image[:, 4:-4, 10:-10] = torch.rand(3, 1, 1, generator=generator) * 0.6
    image[:, 8:-8:2, 12:-12] += 0.3 * torch.rand(3, 1, 1, generator=generator)
    return image


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.stack([blob_image(i) for i in range(4)])


@pytest.fixture(scope="session")
def base_folder(images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    train_base(images, folder / "base", settings=TINY, size=SIZE, state=folder / "state", seed=3)
    return folder / "base"


@pytest.fixture(scope="session")
def pairs_folder(images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    scans = {f"{i:04d}": folder / "views" / f"{i:04d}" for i in range(3)}
    for i, path in enumerate(scans.values()):
        save_image(view_path(path, "rgb", 6), images[i])
        save_cameras(path, orbit(size=images.shape[-1]))
    covered = torch.ones_like(images[:, :1])

    def render(path: Path, view: object) -> tuple[torch.Tensor, torch.Tensor]:
        return images[int(path.name)], covered[int(path.name)]

    make_pairs(scans, folder / "pairs", render, factors=(2, 4))
    return folder / "pairs"
