"""Measures an avatar on pictures of its person that it was not trained on."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.body.joints import BODY_NAMES
from hgm.body.model import BodyModel
from hgm.cameras import Cameras
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.images.views import save_image
from hgm.metrics.definitions import subject_record
from hgm.metrics.images import WINDOW, crop, person_box, psnr, ssim, ssim_map
from hgm.metrics.inception import Inception, load_inception
from hgm.metrics.kid import kid_of_images
from hgm.metrics.lpips import LPIPS, load_lpips
from hgm.splat import backend_for, render
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.footage import Shot
from hgm.systems.animatable.frame_transforms import frame_transforms
from hgm.systems.animatable.pose_map import position_map

METRICS = "metrics.json"
PICTURES, TRUTH = "frames", "truth"
REGIONS = ("full", "person_box", "crease")
MEASURES = ("mae", "psnr", "ssim", "lpips")
# joints around which clothes fold
BENT = tuple(
    BODY_NAMES.index(f"{side}_{part}") + 1
    for part in ("elbow", "knee")
    for side in ("left", "right")
)
LPIPS_LEAST = 32  # pixels; of less the trunk leaves nothing
SHOWN = 12  # pictures of a split that are kept, evenly spread
FEATURED = 299  # edge of the pictures that KID compares, as its network sees them
PERSON = 0.5  # coverage from which a pixel is the person


@dataclass(frozen=True)
class Measuring:
    """How pictures are compared."""

    crease: float  # meters: radius of the discs around elbows and knees
    lpips: LPIPS | None = None
    inception: Inception | None = None
    backend: str = "auto"

    @classmethod
    def load(
        cls, crease: float, weights: Mapping[str, Any], backend: str, device: str
    ) -> Measuring:
        """With the networks of section `weights` on a device, as far as their files are named.
        Raises InputError for an unusable one."""
        lpips = load_lpips(weights["vgg16"], weights["lpips"])
        inception = load_inception(weights["inception"])
        return cls(crease, None if lpips is None else lpips.to(device), inception, backend)


@dataclass
class Means:
    """Measures of pictures by region, as means over pictures; what has no finite value counts
    nothing."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, region: str, found: Mapping[str, Tensor]) -> None:
        for name, value in found.items():
            if math.isfinite(number := float(value)):
                self.values[region, name].append(number)

    def table(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Region -> `standard` -> measure; None where no picture has one."""
        return {
            region: {
                "standard": {
                    name: float(np.mean(found))
                    if (found := self.values.get((region, name)))
                    else None
                    for name in MEASURES
                }
            }
            for region in REGIONS
        }


def joints_of(avatar: Avatar, transforms: Tensor) -> Tensor:
    """The joints [55, 3] of a frame in the world, by their transforms [55, 4, 4] from the star."""
    star = avatar.canonical.joints.to(transforms)
    return (transforms[:, :3, :3] @ star[..., None])[..., 0] + transforms[:, :3, 3]


def discs(joints: Tensor, camera: Cameras, radius: float) -> Tensor:
    """Circles [J, 3] in a camera's picture around joints [J, 3]: their centers and radii, pixels,
    of balls of a radius in meters; a joint behind the camera has the radius 0."""
    pixels, depth = camera.project(joints)
    focal = camera.K[0, 0]
    size = torch.where(depth > 1e-3, focal * radius / depth.clamp(min=1e-3), torch.zeros(()))
    return torch.cat([pixels, size[:, None]], 1)


def covered(circles: Tensor, height: int, width: int) -> Tensor:
    """Which pixels bool [H, W] have their center in one of the circles [J, 3]."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    away = (x - circles[:, 0, None, None]) ** 2 + (y - circles[:, 1, None, None]) ** 2
    return (away < circles[:, 2, None, None] ** 2).any(0)


@torch.no_grad()
def region_errors(
    prediction: Tensor, target: Tensor, mask: Tensor, lpips: LPIPS | None
) -> dict[str, dict[str, Tensor]]:
    """Errors of a picture [3, H, W] in 0-1, whole and in the box around the person's mask
    [1, H, W]."""
    box = person_box(mask)
    found = {}
    for region, area in (("full", None), ("person_box", box)):
        ours, truth = (
            x[None] if area is None else crop(x[None], area) for x in (prediction, target)
        )
        least = min(truth.shape[-2:])
        errors = {"mae": (ours - truth).abs().mean(), "psnr": psnr(ours, truth)}
        if least >= WINDOW:
            errors["ssim"] = ssim(ours, truth)[0]
        # the whole picture is mostly background: LPIPS is of the person
        if lpips is not None and area is not None and least >= LPIPS_LEAST:
            errors["lpips"] = lpips(ours, truth)[0]
        found[region] = errors
    return found


@torch.no_grad()
def area_errors(prediction: Tensor, target: Tensor, area: Tensor) -> dict[str, Tensor]:
    """Errors of the pixels bool [H, W] of a picture [3, H, W] in 0-1; none of no pixels. SSIM is
    the mean over those whose window lies in the picture."""
    if not area.any():
        return {}
    difference = (prediction - target)[:, area]
    found = {
        "mae": difference.abs().mean(),
        "psnr": -10 * torch.log10(difference.square().mean()),
    }
    inside = area[WINDOW // 2 : -(WINDOW // 2), WINDOW // 2 : -(WINDOW // 2)]
    if min(area.shape) >= WINDOW and inside.any():
        found["ssim"] = ssim_map(prediction[None], target[None])[0][:, inside].mean()
    return found


@torch.no_grad()
def evaluate_avatar(
    avatar: Avatar,
    capture: Capture,
    model: BodyModel,
    shots: Sequence[Shot],
    out: Path,
    measuring: Measuring,
    *,
    variant: str,
    split: str,
    standin: bool,
) -> Mapping[str, Any]:
    """Measure an avatar on a capture's pictures; write metrics.json, and some of the pictures
    (`frames/`) beside the true ones (`truth/`); returns the record.

    Pictures are over white, true ones by their masks. Numbers are means over pictures: of the whole
    one, in the person's box, and of the person's pixels in discs around elbows and knees. Poses are
    taken as they are, none is projected. Raises InputError where no picture is there.
    """
    device = avatar.canonical.positions.device
    backend = backend_for(measuring.backend, device)
    there = [shot for shot in shots if capture.has(*shot)]
    if not there:
        raise InputError(f"{capture.root}: no picture of the split {split} is there to measure")
    for name in (PICTURES, TRUTH):
        shutil.rmtree(out / name, ignore_errors=True)
    shown = set(np.linspace(0, len(there) - 1, min(SHOWN, len(there))).round().astype(int).tolist())
    frames = sorted({frame for _, frame in there})
    star = avatar.canonical.rest_transforms.cpu()
    bodies = frame_transforms(model, capture.motion, star, frames)
    means = Means()
    cameras: dict[str, Means] = {name: Means() for name in dict.fromkeys(c for c, _ in there)}
    kept: dict[str, list[list[float]]] = {}
    features: list[tuple[Tensor, Tensor]] = []
    progress = Progress(split, len(there))
    for i, (name, frame) in enumerate(progress.each(there, lambda shot: f"{shot[0]} {shot[1]}")):
        camera = capture.cameras[name]
        row = bodies.index(frame)
        transforms = bodies.transforms[row].to(device)
        seen = position_map(avatar.canonical, bodies.poses[row].to(device)[None])
        output = avatar(seen, transforms[None], camera.centers[None].to(device))
        picture = render(output.gaussians[0], camera[None].to(device), backend=backend)
        prediction = picture.rgb[0].clamp(0, 1)
        target, mask = (x.to(device) for x in over_white(capture, name, frame))
        circles = discs(joints_of(avatar, transforms)[list(BENT)].cpu(), camera, measuring.crease)
        bent = covered(circles, camera.height, camera.width).to(device) & (mask[0] > PERSON)
        found = region_errors(prediction, target, mask, measuring.lpips)
        found["crease"] = area_errors(prediction, target, bent)
        for region, errors in found.items():
            means.add(region, errors)
            cameras[name].add(region, errors)
        if measuring.inception is not None:
            box = person_box(mask)
            features.append((_square(prediction, box), _square(target, box)))
        if i in shown:
            label = f"{name}_{frame:08d}"
            save_image(out / PICTURES / f"{label}.png", prediction)
            save_image(out / TRUTH / f"{label}.png", target)
            edge = max(camera.height, camera.width)
            kept[label] = [[round(x / edge, 5) for x in circle] for circle in circles.tolist()]
    record = {
        **subject_record("animatable", split, variant, standin=standin, images=means.table()),
        "split": split,
        "pictures": len(there),
        "frames": len(frames),
        "cameras": {name: found.table() for name, found in cameras.items()},
        "points": len(avatar.canonical),
        "kid": _kid(features, measuring.inception),
        # pictures that are kept, and the circles in each: x, y, radius in its longer edges
        "shown": kept,
    }
    write_json(out / METRICS, record)
    return record


def over_white(capture: Capture, camera: str, frame: int) -> tuple[Tensor, Tensor]:
    """A picture of a capture [3, H, W] in 0-1 over white by its mask, and the mask [1, H, W]."""
    picture = capture.picture(camera, frame)
    alpha = picture.alpha.float() / 255
    return picture.rgb.float() / 255 * alpha + 1 - alpha, alpha


def _square(picture: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The box of a picture [3, H, W] in the middle of a white square, as KID sees it."""
    part = crop(picture, box)
    height, width = part.shape[-2:]
    edge = max(height, width)
    left, top = (edge - width) // 2, (edge - height) // 2
    pads = (left, edge - width - left, top, edge - height - top)
    square = F.pad(part, pads, value=1.0)
    return F.interpolate(square[None], (FEATURED, FEATURED), mode="area")[0].cpu()


def _kid(pairs: Iterable[tuple[Tensor, Tensor]], network: Inception | None) -> float | None:
    """KID of the pictures and the true ones; None without the network."""
    found = list(pairs)
    if network is None or not found:
        return None
    ours, truth = (torch.stack([pair[i] for pair in found]) for i in (0, 1))
    result = kid_of_images(ours, truth, network, subset_size=len(found))
    return None if result is None else result.mean
