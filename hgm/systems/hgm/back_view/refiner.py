"""Refinement of a coarse back view by image-to-image diffusion, with the coarse view also as the
control image (paper section 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.core.compiling import prepare_compiling
from hgm.errors import InputError
from hgm.systems.hgm.back_view.base import import_diffusers, open_base
from hgm.systems.hgm.back_view.controlnet import open_controlnet
from hgm.systems.hgm.back_view.images import over_white, silhouette
from hgm.systems.hgm.back_view.settings import BackView


@dataclass(frozen=True)
class BackViewRefiner:
    """diffusers' StableDiffusionControlNetImg2ImgPipeline with a trained ControlNet."""

    pipeline: Any

    @classmethod
    def load(cls, base: Path, controlnet: Path, device: str = "cpu") -> BackViewRefiner:
        """Open the base and the ControlNet from local folders; float16 on CUDA, float32 on a CPU.

        Raises InputError when a folder cannot be opened or the two do not fit each other.
        """
        opened = open_base(base)
        pipeline = import_diffusers().StableDiffusionControlNetImg2ImgPipeline(
            vae=opened.vae,
            text_encoder=opened.text_encoder,
            tokenizer=opened.tokenizer,
            unet=opened.unet,
            controlnet=open_controlnet(controlnet, opened),
            scheduler=opened.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(device, torch.float16 if device.startswith("cuda") else torch.float32)
        return cls(pipeline)

    def compile_networks(self) -> None:
        """Compile the networks that run in each denoising step, and the decoder (torch.compile).
        The first picture then takes minutes.

        Raises InputError without a compiler (see `prepare_compiling`).
        """
        prepare_compiling()
        for network in (self.pipeline.unet, self.pipeline.controlnet, self.pipeline.vae.decoder):
            network.compile(dynamic=False)

    @torch.no_grad()
    def refine(self, coarse_rgb: Tensor, coarse_alpha: Tensor, settings: BackView) -> Tensor:
        """Coarse back view [3, H, W] over white with alpha [1, H, W] -> refined view [3, H, W] in
        [0, 1] on the CPU.

        The coarse view is both the start and the control image; the last `strength` * `steps`
        denoising steps run. `guidance` <= 1 switches classifier-free guidance off. Outside the
        dilated silhouette of the coarse view the result is white. Raises InputError when the size
        does not fit the networks, no step would run, or the result is not finite.
        """
        self._check(coarse_rgb, coarse_alpha, settings)
        rgb = coarse_rgb.detach().float().cpu().clamp(0, 1)
        result = self.pipeline(
            settings.prompt,
            image=rgb[None],
            control_image=rgb[None],
            negative_prompt=settings.negative_prompt,
            strength=settings.strength,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            controlnet_conditioning_scale=settings.control_scale,
            generator=torch.Generator().manual_seed(settings.seed),
            output_type="pt",
        )
        image = result.images[0].float().cpu().clamp(0, 1)
        if not torch.isfinite(image).all():
            raise InputError(
                "back view: the diffusion gave values that are not numbers; train the ControlNet "
                "again"
            )
        return over_white(
            image,
            silhouette(
                coarse_alpha.detach().float().cpu(), settings.mask_threshold, settings.mask_dilation
            ),
        )

    def _check(self, rgb: Tensor, alpha: Tensor, settings: BackView) -> None:
        height, width = rgb.shape[-2:]
        multiple = self.pipeline.vae_scale_factor
        if rgb.shape != (3, height, width) or alpha.shape != (1, height, width):
            raise InputError(
                f"back view: expected rgb [3, H, W] and alpha [1, H, W], got {tuple(rgb.shape)} "
                f"and {tuple(alpha.shape)}"
            )
        if height % multiple or width % multiple:
            raise InputError(
                f"back view: {width} x {height} pixels; both must be multiples of {multiple}"
            )
        if int(settings.steps * settings.strength) < 1:
            raise InputError(
                f"back_view.strength: {settings.strength} of {settings.steps} steps runs no step; "
                "expected strength * steps >= 1"
            )
