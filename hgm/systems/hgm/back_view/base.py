"""A frozen latent-diffusion base in diffusers' folder layout: Stable Diffusion 1.5, or the small
one of `small_base`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.core.files import atomic_folder
from hgm.errors import InputError


def import_diffusers() -> Any:
    """diffusers, with notices and progress bars off."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    return diffusers


def mixed_precision(device: str) -> AbstractContextManager[Any]:
    """bfloat16 autocast on CUDA, nothing on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


@dataclass(frozen=True)
class Base:
    """The parts of a Stable Diffusion pipeline, in evaluation mode and without gradients."""

    vae: Any  # AutoencoderKL
    unet: Any  # UNet2DConditionModel
    text_encoder: Any  # CLIPTextModel
    tokenizer: Any  # CLIPTokenizer
    scheduler: Any

    @property
    def halvings(self) -> int:
        """Number of times that the VAE halves the image size."""
        return len(self.vae.config.block_out_channels) - 1

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Hidden states [len(texts), L, C] of texts, computed as the pipelines embed their
        prompts."""
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.device))[0]

    @torch.no_grad()
    def moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] in [0, 1] -> mean and standard deviation of their scaled latents,
        each [B, C, h, w] on the CPU.

        Computed in float32: an image is encoded once, so a rounding error would stay in every
        training step.
        """
        image = image.to(self.device, self.vae.dtype) * 2 - 1
        with torch.autocast(self.device.type, enabled=False):
            posterior = self.vae.encode(image).latent_dist
        scale = self.vae.config.scaling_factor
        return posterior.mean.float().cpu() * scale, posterior.std.float().cpu() * scale

    def departure(self, start: Tensor, latents: Tensor, time: int) -> Tensor:
        """What to add to noise so that `latents`, noisy for the last diffusion time before `time`,
        are the noisy latents of `start`; all [B, C, h, w].

        A refinement begins at a noisy picture that is to be mended, not at the noisy truth, which
        eq. 4 shows to a training. With this noise, the latents of earlier times lie on the way from
        there to the truth that the deterministic sampler takes.
        """
        kept = self.scheduler.alphas_cumprod[time - 1].to(start)
        return (start - latents) * (kept / (1 - kept)).sqrt()

    def networks(self) -> Iterator[torch.nn.Module]:
        yield from (self.vae, self.unet, self.text_encoder)


def check_base(folder: Path) -> None:
    """Raise InputError unless `folder` is a Stable Diffusion pipeline in diffusers' layout."""
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"{folder}: no model_index.json; expected a Stable Diffusion 1.5 folder in diffusers' "
            "layout"
        )


def link_base(folder: Path, out: Path) -> None:
    """Make `out` a base folder whose parts are links into `folder`. Raises InputError when `folder`
    is not a base."""
    check_base(folder)
    with atomic_folder(out) as work:
        for part in sorted(folder.resolve().iterdir()):
            (work / part.name).symlink_to(part)


def open_base(folder: Path, device: str = "cpu") -> Base:
    """Open a base from a local folder, frozen. Raises InputError when it cannot be opened or does
    not predict noise (epsilon)."""
    check_base(folder)
    diffusers = import_diffusers()
    try:
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
            folder,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
            local_files_only=True,
            dtype=torch.float32,  # whatever the files hold
        )
    # a damaged or hostile folder can raise anything from the two libraries
    except Exception as error:
        raise InputError(f"{folder}: cannot open the diffusion base ({one_line(error)})") from None
    kind = pipeline.scheduler.config.get("prediction_type", "epsilon")
    if kind != "epsilon":
        raise InputError(
            f"{folder}: its scheduler says prediction_type {kind!r}; eq. 4 needs a base that "
            "predicts epsilon"
        )
    base = Base(
        pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.tokenizer, pipeline.scheduler
    )
    for network in base.networks():
        network.requires_grad_(False).eval().to(device)
    return base


def one_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
