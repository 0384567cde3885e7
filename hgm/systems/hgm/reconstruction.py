"""One photo to Gaussians: coarse, back view, refined back view, fusion (paper figure 2)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, resize, save_cameras, save_image, view_path
from hgm.splat import render
from hgm.systems.hgm.back_view.refiner import BackViewRefiner
from hgm.systems.hgm.back_view.settings import BackView
from hgm.systems.hgm.networks.hgm import HGM, HGMOutput
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import Variant

log = logging.getLogger(__name__)
STAGES = ("coarse", "back_view", "fusion")


@dataclass(frozen=True)
class Reconstruction:
    """The results for one photo. `coarse` and `gaussians` are unbatched; images are [3, H, W] over
    white."""

    coarse: Gaussians
    back_coarse: Tensor
    back: Tensor
    gaussians: Gaussians
    seconds: Mapping[str, float] = field(default_factory=dict)


class Reconstructor:
    """Networks that are loaded once and reconstruct photos one after the other; frozen, all on one
    device."""

    def __init__(
        self,
        coarse: HGM,
        fusion: HGM | None,
        refiner: BackViewRefiner | None,
        *,
        size: int,
        back_view: BackView | None = None,
        device: str = "cpu",
        backend: str = "auto",
        precision: str = "fp32",
    ) -> None:
        self.coarse = coarse
        self.fusion = fusion
        self.refiner = refiner
        self.back_view = BackView() if back_view is None else back_view
        self.device = device
        self.backend = backend
        self.precision = precision
        self.size = size  # edge of the input pictures of the networks in pixels

    @torch.no_grad()
    def coarse_gaussians(
        self, image: Tensor, mask: Tensor, vertices: Tensor | None, camera: Cameras
    ) -> Gaussians:
        """Gaussians [N] of the frozen coarse model: the merged set, from a photo [3, H, W] over
        white taken by an unbatched camera, its mask [1, H, W], and body vertices [P, 3].

        Without vertices it is the set of the U-Net alone, which does not depend on the body.
        """
        output = self._run(self.coarse, image[None], mask[None], camera[None], vertices)
        chosen = (
            output.merged
            if vertices is not None or not self.coarse.config.use_body
            else output.unet
        )
        return chosen[0].detach()

    def _run(
        self,
        model: HGM,
        images: Tensor,
        masks: Tensor,
        cameras: Cameras,
        vertices: Tensor | None,
    ) -> HGMOutput:
        images, masks = (resize(x, self.size)[None].to(self.device) for x in (images, masks))
        body = (
            vertices[None].to(self.device)
            if vertices is not None and model.config.use_body
            else None
        )
        return model(
            images,
            cameras.resized(self.size)[None].to(self.device),
            body,
            masks=masks,
            precision=self.precision,
        )

    @torch.no_grad()
    def seen_by(self, camera: Cameras, gaussians: Gaussians) -> tuple[Tensor, Tensor]:
        """Color [3, H, W] and alpha [1, H, W] of unbatched Gaussians, rendered by an unbatched
        camera at the networks' input size."""
        out = render(
            gaussians, camera.resized(self.size)[None].to(self.device), backend=self.backend
        )
        return out.rgb[0].clamp(0, 1), out.alpha[0].clamp(0, 1)

    def reconstruct(
        self,
        image: Tensor,
        mask: Tensor,
        vertices: Tensor | None,
        variant: Variant,
        views: Viewpoints,
        *,
        announce: Callable[[str], None] = lambda stage: None,
    ) -> Reconstruction:
        """Coarse Gaussians, back view and fused Gaussians of one photo (paper figure 2).

        image [3, H, W] in [0, 1] over white is the front view of `views`, mask [1, H, W] the
        person's; vertices [P, 3] are in
        normalized units, None without a body branch. The back view is made for the camera of the
        back view of `views`. `announce` is called with the name of each of STAGES when it begins.
        """
        seconds: dict[str, float] = {}

        def timed(stage: str, start: float) -> float:
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()
            now = time.perf_counter()
            seconds[stage] = now - start
            return now

        at = time.perf_counter()
        sides = views.cameras[[views.front, views.back]]
        announce("coarse")
        coarse = self.coarse_gaussians(image, mask, vertices, sides[0])
        at = timed("coarse", at)
        announce("back_view")
        back_coarse, alpha = self.seen_by(sides[1], coarse)
        back = back_coarse
        if variant.diffusion and self.refiner is not None:
            back = self.refiner.refine(back_coarse, alpha, self.back_view).to(self.device)
        at = timed("back_view", at)
        announce("fusion")
        result = coarse
        if variant.two_view and self.fusion is not None:
            # the back view shows the person where the coarse Gaussians are
            images, masks = (
                torch.stack([resize(front, self.size).to(self.device), behind.to(self.device)])
                for front, behind in ((image, back), (mask, alpha))
            )
            with torch.no_grad():
                result = self._run(self.fusion, images, masks, sides, vertices).merged[0]
        timed("fusion", at)
        return Reconstruction(coarse, back_coarse, back, result, seconds)


def write_reconstruction(
    result: Reconstruction,
    image: Tensor,
    out: Path,
    output: Reconstruct,
    cameras: Cameras,
    *,
    backend: str = "auto",
) -> float:
    """Write `input.png, coarse.ply, back_coarse.png, back.png, gaussians.ply, novel_00.png …,
    cameras.json, turntable.mp4` to `out`.

    The novel views are those of `cameras` [V], at the size of `output`; cameras.json holds these
    cameras. Returns the frames per second at which the turntable was rendered, after the novel
    views have warmed up the backend.
    """
    save_image(out / "input.png", image)
    result.coarse.save_ply(out / "coarse.ply")
    save_image(out / "back_coarse.png", result.back_coarse)
    save_image(out / "back.png", result.back)
    result.gaussians.save_ply(out / "gaussians.ply")
    device = result.gaussians.means.device
    cameras = cameras.resized(output.size)
    save_cameras(out, cameras)
    for i, rgb in enumerate(views_of(result.gaussians, cameras.to(device), backend)):
        save_image(out / f"novel_{i:02d}.png", rgb)
    ring = orbit(output.turntable_frames, size=output.turntable_size).to(device)
    begun = time.perf_counter()
    seen = views_of(result.gaussians, ring, backend)
    if seen.is_cuda:
        torch.cuda.synchronize(seen.device)
    rate = len(seen) / (time.perf_counter() - begun)
    frames = (seen.cpu() * 255).round().to(torch.uint8)
    write_video(out / "turntable.mp4", np.ascontiguousarray(frames.movedim(1, -1).numpy()))
    return rate


@torch.no_grad()
def views_of(gaussians: Gaussians, cameras: Cameras, backend: str = "auto") -> Tensor:
    """Renders [C, 3, H, W] of unbatched Gaussians over white, clamped to [0, 1]."""
    return render(gaussians, cameras, backend=backend).rgb.clamp(0, 1)


class BackRenderer:
    """Renders the back view of a training scan from the coarse Gaussians of its front view."""

    def __init__(
        self, coarse: HGM, *, size: int, device: str, backend: str, precision: str
    ) -> None:
        self.reconstructor = Reconstructor(
            coarse, None, None, size=size, device=device, backend=backend, precision=precision
        )

    def render(self, folder: Path, views: Viewpoints) -> tuple[Tensor, Tensor]:
        """The render [3, H, W] over white by the camera of the back view of the scan whose views
        are in `folder`, and its coverage [1, H, W]."""
        with np.load(folder / "smplx.npz", allow_pickle=False) as data:
            vertices = torch.from_numpy(data["vertices"].astype(np.float32))
        image, mask = (load_image(view_path(folder, k, views.front)) for k in ("rgb", "mask"))
        coarse = self.reconstructor.coarse_gaussians(
            image, mask, vertices, views.cameras[views.front]
        )
        return self.reconstructor.seen_by(views.cameras[views.back], coarse)
