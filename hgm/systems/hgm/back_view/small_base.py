"""The demo's own latent diffusion base: the classes of Stable Diffusion 1.5 at a size that one CPU
core trains in minutes.

It is trained on renders of the training scans only. So it takes the place of Stable Diffusion's
prior, but does not reach its quality.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.core.files import atomic_folder
from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline
from hgm.errors import InputError
from hgm.nets.weights import assign
from hgm.systems.hgm.back_view.base import Base, import_diffusers, mixed_precision, open_base
from hgm.systems.hgm.back_view.images import (
    as_float,
    crop_places,
    cut,
    degrade,
    foreground_boxes,
    random_crops,
)
from hgm.systems.hgm.back_view.settings import CAPTION, DiffusionBase
from hgm.systems.hgm.back_view.text import make_text_encoder, make_tokenizer
from hgm.systems.hgm.starter import as_start
from hgm.train.loop import fit, write_history
from hgm.train.settings import Optimization, Optimizer, Schedule

History = list[dict[str, float]]
# weight of the squared error of the hue, relative to that of the colors; without it, the images of
# some seeds stay gray for the whole training
HUE = 4.0
WARMUP = 0.05  # share of the steps in which the learning rate rises
BETAS = (0.9, 0.99)
QUIET = -8.0  # log variance of the latents before training
Perceptual = Callable[[Tensor, Tensor], Tensor]  # two images [B, 3, H, W] in [0, 1] -> scalar


def build_vae(settings: DiffusionBase, size: int) -> Any:
    """An untrained AutoencoderKL for images of `size` pixels; it halves the size once less than it
    has levels."""
    levels = len(settings.vae_channels)
    vae = import_diffusers().AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.vae_channels,
        layers_per_block=settings.vae_layers,
        latent_channels=settings.latent_channels,
        norm_num_groups=8,
        sample_size=size,
        mid_block_add_attention=False,
        scaling_factor=1.0,  # replaced by one over the latents' deviation after training
    )
    with torch.no_grad():
        for module in vae.modules():  # residual layers start as identities …
            if type(module).__name__ == "ResnetBlock2D":
                module.conv2.weight.zero_()
                module.conv2.bias.zero_()
        # … and latents nearly without noise, since noise would hide the image
        spread = slice(settings.latent_channels, None)
        vae.quant_conv.weight[spread] *= 0.1
        vae.quant_conv.bias[spread] = QUIET
    return vae


def build_unet(settings: DiffusionBase, size: int) -> Any:
    """An untrained UNet2DConditionModel for images of `size` pixels. Only the last level has
    attention; on the others it would cost too much."""
    levels = len(settings.unet_channels)
    return import_diffusers().UNet2DConditionModel(
        sample_size=size >> (len(settings.vae_channels) - 1),
        in_channels=settings.latent_channels,
        out_channels=settings.latent_channels,
        down_block_types=("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
        block_out_channels=settings.unet_channels,
        layers_per_block=settings.unet_layers,
        cross_attention_dim=settings.text_width,
        attention_head_dim=settings.heads,
        norm_num_groups=8,
    )


def build_scheduler() -> Any:
    """The PNDM scheduler of Stable Diffusion 1.5."""
    return import_diffusers().PNDMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def train_base(
    images: Tensor,
    out: Path,
    *,
    settings: DiffusionBase,
    size: int,
    state: Path,
    seed: int,
    init: Path | None = None,
    deadline: Deadline | None = None,
    device: str = "cpu",
    perceptual: Perceptual | None = None,
) -> dict[str, History]:
    """Train the base on images [M, 3, H, W] (uint8, or float in [0, 1], on white) and write it to
    the folder `out`, as a base for images of `size` pixels.

    First the VAE (L1, squared error, KL and, where `perceptual` is given, LPIPS), then the UNet on
    its latents (paper eq. 4 without a control image), where the noise also takes a blurred view to
    the sharp one (`Base.departure`): a coarse back view is blurred, and a frozen UNet that has
    learned to mend can be steered by its ControlNet. Returns the histories "vae" and "unet". init:
    the folder of a small base that is the start. A training that was killed continues from the
    folder `state`. Raises SliceEnded at the deadline and InputError when the images or the start do
    not fit the settings.
    """
    check_images(images, settings)
    base = build_base(settings, size, seed)
    if init is not None:
        start_from(base, init)
    vae = base.vae
    for network in base.networks():
        network.to(device)
    histories = {
        "vae": train_vae(base, images, settings, state / "vae", seed, deadline, perceptual)
    }
    mean, std = latent_moments(base, images)
    scale = float(f"{1 / torch.sqrt(mean.var() + std.square().mean()).item():.6g}")
    vae.register_to_config(scaling_factor=scale)
    histories["unet"] = train_unet(
        base, images, mean * scale, std * scale, settings, state / "unet", seed, deadline
    )
    save_base(base, out, histories)
    return histories


def build_base(settings: DiffusionBase, size: int, seed: int) -> Base:
    """An untrained base for images of `size` pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "base"))
        vae = build_vae(settings, size)
        unet = build_unet(settings, size)
    return Base(
        vae,
        unet,
        make_text_encoder(settings.text_width, seed, settings.heads),
        make_tokenizer(),
        build_scheduler(),
    )


def start_from(base: Base, folder: Path) -> None:
    """Fill all networks of a base with the weights of the one in a folder; its texts are embedded
    as there. Raises InputError for networks of other sizes."""
    start = open_base(folder)
    with as_start("base"):
        for own, theirs in zip(base.networks(), start.networks(), strict=True):
            assign(own, theirs.state_dict(), source=str(folder))
        heads = start.unet.config.attention_head_dim
        if heads != base.unet.config.attention_head_dim:
            raise InputError(f"{folder}: its U-Net has {heads} attention heads (base.heads)")


def check_images(images: Tensor, settings: DiffusionBase) -> None:
    height, width = images.shape[-2:]
    multiple = 1 << (len(settings.vae_channels) + len(settings.unet_channels) - 2)
    if images.ndim != 4 or images.shape[1] != 3 or len(images) == 0:
        raise InputError(f"base: expected images [M, 3, H, W], got {tuple(images.shape)}")
    if settings.unet_crop > min(height, width) or settings.unet_crop % multiple:
        raise InputError(
            f"base.unet_crop: {settings.unet_crop} px; expected a multiple of {multiple}, at most "
            f"{min(height, width)}"
        )
    if min(height, width) < settings.vae_crop or height % multiple or width % multiple:
        raise InputError(
            f"base: images of {width} x {height} pixels; expected at least {settings.vae_crop} "
            f"(vae_crop) and a multiple of {multiple} (the halvings of VAE and UNet)"
        )
    if any(height % factor or width % factor for factor in settings.blur):
        raise InputError(
            f"base.blur: {settings.blur}; expected divisors of {width} and {height}, the size of "
            "the images"
        )


def train_vae(
    base: Base,
    images: Tensor,
    settings: DiffusionBase,
    state: Path,
    seed: int,
    deadline: Deadline | None,
    perceptual: Perceptual | None,
) -> History:
    boxes = foreground_boxes(images)
    vae = base.vae
    device = base.device.type

    def loss(
        step: int, generator: torch.Generator, part: slice
    ) -> tuple[Tensor, dict[str, Tensor]]:
        indices = torch.randint(len(images), (settings.vae_batch,), generator=generator).tolist()
        crops = random_crops(images, boxes, indices, settings.vae_crop, generator)
        shape = (
            settings.vae_batch,
            settings.latent_channels,
            *(s >> base.halvings for s in crops.shape[-2:]),
        )
        noise = torch.randn(shape, generator=generator)[part]
        target = crops[part].to(device)
        with mixed_precision(device):
            posterior = vae.encode(target * 2 - 1).latent_dist
            image = (
                vae.decode(posterior.mean + posterior.std * noise.to(device)).sample.float() / 2
                + 0.5
            )
        error = image - target
        l1 = error.abs().mean()
        squared = error.square().mean() + HUE * hue_error(error)
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        total = l1 + settings.squared * squared + settings.kl * kl
        logs = {"l1": l1.detach(), "squared": squared.detach(), "kl": kl.detach()}
        if perceptual is not None:
            lpips = perceptual(image, target)
            total = total + settings.lpips * lpips
            logs["lpips"] = lpips.detach()
        return total, logs

    optimization = Optimization(
        steps=settings.vae_steps, lr=settings.vae_lr, weight_decay=0.0, ema=settings.ema
    )
    history = fit(
        vae,
        loss,
        optimization,
        optimizer=Optimizer(betas=BETAS),
        schedule=Schedule(warmup=WARMUP),
        stage="base_vae",
        remedy="lower base.vae_lr",
        seed=seed,
        state=state,
        batch=settings.vae_batch,
        deadline=deadline,
    )
    vae.requires_grad_(False).eval()
    return history


def hue_error(error: Tensor) -> Tensor:
    """Mean square of a color error [B, 3, H, W] after its mean over the three channels is
    subtracted."""
    return (error - error.mean(1, keepdim=True)).square().mean()


def latent_moments(base: Base, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents of all images, each [M, C, h, w] on the CPU."""
    parts = [base.moments(as_float(batch)) for batch in images.split(8)]
    return torch.cat([mean for mean, _ in parts]), torch.cat([std for _, std in parts])


def blurred_latents(base: Base, images: Tensor, factors: Sequence[int], seed: int) -> Tensor:
    """Means [M, C, h, w] of the latents of all images without their detail (`degrade`), by a factor
    that is drawn for each."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "blur"))
    drawn = torch.randint(len(factors), (len(images),), generator=generator).tolist()
    return torch.cat(
        [
            base.moments(degrade(as_float(image), factors[k])[None])[0]
            for image, k in zip(images, drawn, strict=True)
        ]
    )


def train_unet(
    base: Base,
    images: Tensor,
    mean: Tensor,
    std: Tensor,
    settings: DiffusionBase,
    state: Path,
    seed: int,
    deadline: Deadline | None,
) -> History:
    device = base.device.type
    boxes = foreground_boxes(images)
    stride = 1 << base.halvings
    captions = base.embed([CAPTION, ""])  # [2, L, C]
    starts = blurred_latents(base, images, settings.blur, seed)

    def loss(
        step: int, generator: torch.Generator, part: slice
    ) -> tuple[Tensor, dict[str, Tensor]]:
        indices = torch.randint(len(mean), (settings.unet_batch,), generator=generator).tolist()
        places = crop_places(
            boxes, indices, settings.unet_crop, images.shape[-2:], generator, multiple=stride
        )
        middle, spread = (
            cut([x[i] for i in indices], places, settings.unet_crop, reduced=stride)
            for x in (mean, std)
        )
        latents = middle + spread * torch.randn(middle.shape, generator=generator)
        noise = torch.randn(latents.shape, generator=generator)
        begin = cut([starts[i] for i in indices], places, settings.unet_crop, reduced=stride)
        noise = noise + base.departure(begin, latents, settings.unet_timesteps)
        t = torch.randint(settings.unet_timesteps, (settings.unet_batch,), generator=generator)
        empty = (
            torch.rand(settings.unet_batch, generator=generator) < settings.empty_caption
        ).long()
        noisy = base.scheduler.add_noise(latents, noise, t)
        noisy, noise, t, empty = (x[part] for x in (noisy, noise, t, empty))
        with mixed_precision(device):
            predicted = base.unet(noisy.to(device), t.to(device), captions[empty.to(device)]).sample
        return (predicted.float() - noise.to(device)).square().mean(), {}

    optimization = Optimization(
        steps=settings.unet_steps, lr=settings.unet_lr, weight_decay=0.01, ema=settings.ema
    )
    history = fit(
        base.unet,
        loss,
        optimization,
        optimizer=Optimizer(betas=BETAS),
        schedule=Schedule(warmup=WARMUP),
        stage="base_unet",
        remedy="lower base.unet_lr",
        seed=seed,
        state=state,
        batch=settings.unet_batch,
        deadline=deadline,
    )
    base.unet.requires_grad_(False).eval()
    return history


def save_base(base: Base, out: Path, histories: dict[str, History]) -> None:
    """Write a complete Stable Diffusion pipeline folder, with the training histories beside its
    parts."""
    pipeline = import_diffusers().StableDiffusionPipeline(
        vae=base.vae,
        unet=base.unet,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with atomic_folder(out) as folder:
        pipeline.save_pretrained(folder)
        for name, history in histories.items():
            write_history(folder / f"history_{name}.tsv", history)
        (folder / "STANDIN").write_text(
            "a small base trained on renders; it stands in for Stable Diffusion 1.5\n"
        )
