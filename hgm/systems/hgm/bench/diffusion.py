"""A back-view refiner with random weights, which needs no files and does as much work as a trained
one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hgm.systems.hgm.back_view.base import Base, import_diffusers, open_base
from hgm.systems.hgm.back_view.controlnet import build_controlnet
from hgm.systems.hgm.back_view.refiner import BackViewRefiner
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.back_view.small_base import build_scheduler, build_unet, build_vae
from hgm.systems.hgm.back_view.text import make_text_encoder, make_tokenizer

TEXT_WIDTH = 768
TEXT_HEADS = 12  # attention heads of CLIP ViT-L/14


def stable_diffusion_vae() -> Any:
    """An untrained AutoencoderKL with the sizes of Stable Diffusion 1.5 (vae/config.json of its
    release)."""
    return import_diffusers().AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )


def stable_diffusion_unet() -> Any:
    """An untrained UNet2DConditionModel with the sizes of Stable Diffusion 1.5 (unet/config.json of
    its release)."""
    return import_diffusers().UNet2DConditionModel(
        sample_size=64,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    )


def random_base(settings: DiffusionBase | None, size: int) -> Base:
    """The small base for images of `size` pixels; without settings, one with the sizes of Stable
    Diffusion 1.5, whose text encoder has one layer in place of twelve."""
    if settings is None:
        return Base(
            stable_diffusion_vae(),
            stable_diffusion_unet(),
            make_text_encoder(TEXT_WIDTH, 0, TEXT_HEADS),
            make_tokenizer(),
            build_scheduler(),
        )
    return Base(
        build_vae(settings, size),
        build_unet(settings, size),
        make_text_encoder(settings.text_width, 0, settings.heads),
        make_tokenizer(),
        build_scheduler(),
    )


def make_refiner(
    settings: DiffusionBase | None, folder: Path | None, size: int, device: str
) -> BackViewRefiner:
    """A refiner with the base in `folder` if one is given, else with a random base; the ControlNet
    is untrained. float16 on CUDA, as in `BackViewRefiner.load`."""
    base = random_base(settings, size) if folder is None else open_base(folder)
    pipeline = import_diffusers().StableDiffusionControlNetImg2ImgPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=base.unet,
        controlnet=build_controlnet(base, 0),
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device, torch.float16 if device.startswith("cuda") else torch.float32)
    return BackViewRefiner(pipeline)
