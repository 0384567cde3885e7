"""Settings of the back-view branch. Values without a remark are the paper's; the others are marked
as ours."""

from __future__ import annotations

from dataclasses import dataclass

PROMPT = "Best quality"
# The paper's five terms and `lowres`, which its code adds.
NEGATIVE_PROMPT = "blur, lowres, bad anatomy, bad hands, cropped, worst quality"


@dataclass(frozen=True)
class BaseSettings:
    """The small latent-diffusion base that stands in for Stable Diffusion 1.5; every number is
    ours, sized for one CPU core."""

    size: int = 128  # pixels of a training image, written to the folder as its native size
    # one entry a level: one halving, 128 px -> 64 x 64 latents as in the paper
    vae_channels: tuple[int, ...] = (16, 32)
    vae_layers: int = 1
    latent_channels: int = 8
    vae_steps: int = 3600
    vae_batch: int = 4
    # pixels of the training crops, around the person; many small steps learn faster than few large
    # ones
    vae_crop: int = 24
    vae_lr: float = 5e-3
    # weight of the squared error beside L1; with L1 alone colors stay gray for long
    squared: float = 10.0
    kl: float = 1e-5  # weight of the mean KL divergence per latent number
    lpips: float = 0.1  # weight of the perceptual loss where one is given
    unet_channels: tuple[int, ...] = (24, 48, 64)  # attention at the last level only
    unet_layers: int = 1
    heads: int = 4
    text_width: int = 32
    unet_steps: int = 600
    unet_batch: int = 8
    unet_lr: float = 3e-3
    # pixels of the image that a training latent shows, around the person; most of an image is white
    unet_crop: int = 64
    unet_timesteps: int = 1000  # train on diffusion times below this one
    ema: float = 0.99
    empty_caption: float = 0.1


@dataclass(frozen=True)
class ControlNetSettings:
    """Training of the ControlNet with the base frozen."""

    steps: int = 15_000  # ours: the paper gives none
    batch: int = 4  # ours
    lr: float = 1e-5
    schedule: str = "constant"  # ours
    weight_decay: float = 1e-2  # ours
    # ours for training; the paper's test prompt in lower case, as the tokenizer sees it
    caption: str = "best quality"
    empty_caption: float = 0.1  # ours: share of empty captions, which guidance needs
    timesteps: int = 1000  # train on diffusion times below this one; all of them in eq. 4
    # train on crops of so many pixels around the person; None: whole images, as in the paper
    crop: int | None = None
    clip: float = 1.0  # ours
    accumulate: int = 1
    ema: float = 0.0

    @classmethod
    def paper(cls) -> ControlNetSettings:
        """The paper's settings: learning rate 1e-5 and eq. 4 over all times; the rest is ours where
        marked."""
        return cls()


@dataclass(frozen=True)
class BackViewSettings:
    """Inference: image-to-image from the coarse render. `BackViewRefiner.refine` takes these as
    keywords."""

    seed: int = 22
    # share of the noise schedule that is added and removed again: the last 20 of 100 steps
    strength: float = 0.2
    steps: int = 100
    guidance: float = 5.0
    control_scale: float = 1.0
    prompt: str = PROMPT
    negative_prompt: str = NEGATIVE_PROMPT
    mask_threshold: float = 0.5  # ours: coarse alpha below this is background
    mask_dilation: int = 2  # ours: pixels

    @classmethod
    def paper(cls) -> BackViewSettings:
        return cls()
