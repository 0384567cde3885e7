"""The back view: sections `pairs`, `base`, `controlnet` and `back_view`."""

from __future__ import annotations

from typing import Literal

from hgm.core.settings import Count, Section, described
from hgm.train.settings import Optimization

# in lower case, as the tokenizer makes it; the small base is trained with it too
CAPTION = "best quality"


class ControlPairs(Section):
    """The ControlNet's training pairs."""

    factors: list[Count] = described(
        [2, 4, 8],
        "downsampling factors of the coarse views, used in turn (not published)",
        min_length=1,
    )


class DiffusionBase(Section):
    """Stable Diffusion 1.5, or a small latent diffusion model of our own in its place, sized for
    one CPU core."""

    folder: str | None = described(
        None,
        "Stable Diffusion 1.5 as a diffusers folder (paper); without one a small base is trained",
    )
    vae_channels: list[Count] = described(
        [16, 32],
        "small base: widths of the VAE; the size halves between two",
        min_length=1,
    )
    vae_layers: int = described(1, "small base: residual layers in each level", ge=1)
    latent_channels: int = described(8, "small base: channels of the latents", ge=1)
    vae_steps: int = described(3600, "small base: training steps of the VAE", ge=1)
    vae_batch: int = described(4, "small base: crops in a step of the VAE", ge=1)
    vae_crop: int = described(24, "small base: edge of the VAE's crops in pixels", ge=16)
    vae_lr: float = described(5e-3, "small base: peak learning rate of the VAE", gt=0)
    squared: float = described(
        10.0, "small base: weight of the VAE's squared error; the absolute error has weight 1", ge=0
    )
    kl: float = described(
        1e-5, "small base: weight of the KL divergence, a mean over latents", ge=0
    )
    lpips: float = described(0.1, "small base: weight of LPIPS, where its weights are given", ge=0)
    unet_channels: list[Count] = described(
        [24, 48, 64], "small base: widths of the denoising U-Net", min_length=1
    )
    unet_layers: int = described(1, "small base: residual layers in each level", ge=1)
    heads: int = described(4, "small base: attention heads", ge=1)
    text_width: int = described(32, "small base: width of the text encoder", ge=8)
    unet_steps: int = described(600, "small base: training steps of the U-Net", ge=1)
    unet_batch: int = described(8, "small base: crops in a step of the U-Net", ge=1)
    unet_lr: float = described(3e-3, "small base: peak learning rate of the U-Net", gt=0)
    unet_crop: int = described(
        64, "small base: edge of the U-Net's crops, in pixels of the image", ge=16
    )
    unet_timesteps: int = described(
        50,
        "small base: train on diffusion times below this one, at which the refinement departs; "
        "others are not run",
        ge=1,
    )
    blur: list[Count] = described(
        [1, 4, 8],
        "small base: downsampling factors of the views from which the way to the sharp ones "
        "departs, one drawn for each sample; 1: plain noise",
        min_length=1,
    )
    ema: float = described(0.99, "small base: decay of the moving average of weights", ge=0, lt=1)
    empty_caption: float = described(
        0.1, "small base: share of empty captions, which guidance needs", ge=0, le=1
    )


class ControlNet(Optimization):
    """Training of the ControlNet with the base frozen (paper eq. 4)."""

    steps: int = described(15_000, "optimizer steps (not published)", ge=1)
    lr: float = described(1e-5, "learning rate (paper)", gt=0)
    weight_decay: float = described(1e-2, "AdamW weight decay (not published)", ge=0)
    clip: float = described(1.0, "largest gradient norm (not published)", gt=0)
    tile: str | None = described(
        None,
        "ControlNet-tile as a diffusers folder to start from (paper); null: the base's encoder",
    )
    batch: int = described(4, "pairs in a step (not published)", ge=1)
    schedule: Literal["constant", "onecycle"] = described(
        "constant", "schedule of the learning rate (not published)"
    )
    caption: str = described(
        CAPTION, "caption of every pair (not published; the paper's test prompt)"
    )
    empty_caption: float = described(0.1, "share of empty captions (not published)", ge=0, le=1)
    timesteps: int = described(1000, "train on diffusion times below this one (paper)", ge=1)
    earliest: int = described(0, "train on diffusion times from this one on (paper)", ge=0)
    departure: int | None = described(
        None,
        "diffusion time at which the refinement departs from the condition: the noise that is "
        "predicted then holds what the condition lacks; null: plain noise (paper)",
        ge=1,
    )
    mirror: bool = described(False, "double the pairs by their mirror images (not published)")
    crop: int | None = described(
        None, "edge of training crops around the person in pixels; null: whole images (paper)"
    )


class BackView(Section):
    """Image-to-image diffusion from the coarse render."""

    seed: int = described(22, "seed of the diffusion noise (release)", ge=0)
    strength: float = described(
        0.2, "share of the denoising steps that is run (release)", gt=0, le=1
    )
    steps: int = described(100, "denoising steps at strength 1 (release)", ge=1)
    guidance: float = described(5.0, "scale of classifier-free guidance (release)", ge=0)
    control_scale: float = described(1.0, "weight of the ControlNet (not published)", ge=0)
    prompt: str = described("Best quality", "prompt (paper)")
    negative_prompt: str = described(
        "blur, lowres, bad anatomy, bad hands, cropped, worst quality",
        "negative prompt, what the picture should not show (release)",
    )
    mask_threshold: float = described(
        0.5, "coarse alpha below this value is background (ours)", gt=0, lt=1
    )
    mask_dilation: int = described(2, "pixels by which the mask is dilated (ours)", ge=0)
