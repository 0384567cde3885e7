"""Measures an avatar on a clip that it was not trained on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.manifests import write_json
from hgm.images.views import save_image
from hgm.metrics.definitions import subject_record
from hgm.metrics.images import WINDOW, psnr, ssim
from hgm.metrics.lpips import LPIPS
from hgm.splat import backend_for
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.footage import Footage, rendered
from hgm.systems.monogaussian.held_out import HeldOut
from hgm.systems.monogaussian.losses import picture_loss
from hgm.systems.monogaussian.movement import expression_overlaps, skinning_errors
from hgm.systems.monogaussian.requests import AT_ONCE
from hgm.systems.monogaussian.settings import Avatar, Evaluate
from hgm.systems.monogaussian.subject import SubjectHead

METRICS = "metrics.json"
FRAMES = "frames"
TRUTH = "truth"
HELD_OUT = "held_out"  # the region of all held-out cameras; with _<camera> that of one
CLOTH = (15, 16)  # of CelebAMask's labels: necklace, clothes
# of the 68 landmarks, which come first of a frame's 70
EYES = slice(36, 48)
MOUTH = slice(48, 68)
MARGIN = 0.25  # of a box's longer side, by which it is wider than its landmarks
LPIPS_LEAST = 32  # pixels; of less the trunk leaves nothing


def erode_dilate(images: Tensor) -> Tensor:
    """The least, then the largest of 3 x 3 pixels, channel by channel [N, 3, H, W]: the release
    measures renders after it, which takes off single bright pixels."""
    eroded = -F.max_pool2d(-images, 3, stride=1, padding=1)
    return F.max_pool2d(eroded, 3, stride=1, padding=1)


def defined(prediction: Tensor) -> dict[str, Tensor]:
    """The picture [1, 3, H, W] that each definition measures."""
    return {"standard": prediction, "released_code": erode_dilate(prediction)}


def landmark_box(points: np.ndarray, size: int) -> tuple[int, int, int, int]:
    """top, bottom, left, right, in pixels and half open, around landmarks [K, 2] from -1 to 1, cut
    at the picture."""
    pixels = (points + 1) / 2 * size
    low, high = pixels.min(0), pixels.max(0)
    grow = MARGIN * float((high - low).max())
    left, top = np.clip(np.floor(low - grow), 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + grow), 0, size).astype(int).tolist()
    return top, bottom, left, right


class Means:
    """Measures of pictures by region and definition, as means over frames."""

    def __init__(self, lpips: LPIPS | None) -> None:
        self.lpips = lpips
        self._values: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    @torch.no_grad()
    def add(self, region: str, definition: str, prediction: Tensor, target: Tensor) -> None:
        """Measure a picture [1, 3, H, W] in 0-1; a region without pixels counts nothing."""
        height, width = prediction.shape[-2:]
        if not height or not width:
            return
        found = {"mae": (prediction - target).abs().mean(), "psnr": psnr(prediction, target)}
        if min(height, width) >= WINDOW:
            found["ssim"] = ssim(prediction, target)[0]
        if self.lpips is not None and min(height, width) >= LPIPS_LEAST:
            found["lpips"] = self.lpips(prediction, target)[0]
        for name, value in found.items():
            self._values[region, definition, name].append(float(value))

    def table(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Region -> definition -> measure; None where no frame has a finite value."""
        table: dict[str, dict[str, dict[str, float | None]]] = {}
        for region, definition, _ in self._values:
            rows = table.setdefault(region, {}).setdefault(definition, {})
            for name in ("mae", "psnr", "ssim", "lpips"):
                values = self._values.get((region, definition, name), [])
                finite = [v for v in values if math.isfinite(v)]
                rows[name] = float(np.mean(finite)) if finite else None
        return table


def refined(
    avatar: HeadAvatar,
    footage: Footage,
    settings: Evaluate,
    training: Avatar,
    *,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """Expressions [F, 50] and poses [F, 15] fitted to the footage's pictures from those given, as
    IMavatar and the release do before they measure, by L1 and SSIM alone."""
    device = avatar.points.device
    cameras = footage.cameras.to(device)
    ready = avatar.ready()
    found = []
    for start in range(0, len(footage), AT_ONCE):
        frames = torch.arange(start, min(start + AT_ONCE, len(footage)))
        pictures = footage.images(frames, device)
        expression, pose = (
            table[frames].to(device).clone().requires_grad_()
            for table in (footage.expression, footage.pose)
        )
        optimizer = torch.optim.Adam([expression, pose], settings.refine_lr)
        for _ in range(settings.refine_steps):
            gaussians = avatar(expression, pose, ready=ready)
            prediction = rendered(gaussians, cameras[frames.to(device)], None, backend)
            loss, _ = picture_loss(prediction, pictures, training, None)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append((expression.detach().cpu(), pose.detach().cpu()))
    return torch.cat([e for e, _ in found]), torch.cat([p for _, p in found])


def evaluate_avatar(
    avatar: HeadAvatar,
    clip: Clip,
    pictures: ClipPictures,
    out: Path,
    *,
    subject: str,
    variant: str,
    protocol: str,
    settings: Evaluate,
    training: Avatar,
    held_out: HeldOut | None = None,
    lone: Footage | None = None,
    head: SubjectHead | None = None,
    standin: bool,
    lpips: LPIPS | None = None,
    backend: str = "auto",
) -> Mapping[str, Any]:
    """Measure and write `metrics.json`, the avatar's pictures of the clip (`frames/`) and the
    clip's own (`truth/`); returns the record.

    protocol `frozen` drives the avatar by the clip's own parameters, `imavatar` fits these to the
    clip's pictures first. Numbers are means over frames, `standard` of the pictures as they are,
    `released_code` after `erode_dilate`: of the whole picture, without clothes (white where the
    label map has them), in the boxes of mouth and eyes, and of other cameras. `movement` says how
    the avatar moves: its skinning beside that of the `head` of its subject, and with a clip of
    `lone` expressions the pixels that each of them moves.
    """
    device = avatar.points.device
    backend = backend_for(backend, device)
    lpips = None if lpips is None else lpips.to(device)
    footage = Footage.of(clip, pictures, pictures.size)
    expression, pose = footage.expression, footage.pose
    if protocol == "imavatar":
        expression, pose = refined(avatar, footage, settings, training, backend=backend)
    means = Means(lpips)
    ready = avatar.ready()

    def draw(frame: int, cameras: Cameras) -> Tensor:
        e, p = expression[frame : frame + 1].to(device), pose[frame : frame + 1].to(device)
        gaussians = avatar(e, p, ready=ready)
        return rendered(gaussians, cameras.to(device), None, backend).clamp(0, 1)

    with torch.no_grad():
        for frame, name in enumerate(clip.names):
            prediction = draw(frame, footage.cameras[frame : frame + 1])
            target = footage.images(torch.tensor([frame]), device)
            _measure(means, clip, pictures, frame, prediction, target)
            _save(out, name, prediction, target)
        for camera, frame, cameras, image in (
            held_out.views(clip, pictures.size) if held_out else ()
        ):
            prediction = draw(frame, cameras)
            target = image[None].to(device).float() / 255
            for definition, picture in defined(prediction).items():
                for region in (HELD_OUT, f"{HELD_OUT}_{camera}"):
                    means.add(region, definition, picture, target)
            _save(out, f"{clip.names[frame]}_{camera}", prediction, target)
    record = {
        **subject_record("monogaussian", subject, variant, standin=standin, images=means.table()),
        "protocol": protocol,
        "clip": clip.name,
        "frames": len(clip),
        "points": len(avatar.points),
        "movement": _movement(avatar, lone, head, backend),
    }
    write_json(out / METRICS, record)
    return record


def _movement(
    avatar: HeadAvatar, lone: Footage | None, head: SubjectHead | None, backend: str
) -> dict[str, Any]:
    """What can be said of how the avatar moves; a bound one has learned no skinning."""
    found: dict[str, Any] = {}
    if head is not None and avatar.deformer is not None:
        found["skinning"] = skinning_errors(avatar, head.to(avatar.points.device))
    if lone is not None:
        found["expressions"] = expression_overlaps(avatar, lone, backend)
    return found


def _save(out: Path, name: str, prediction: Tensor, target: Tensor) -> None:
    """Write a picture [1, 3, H, W] and what it should be."""
    save_image(out / FRAMES / f"{name}.png", prediction[0])
    save_image(out / TRUTH / f"{name}.png", target[0])


def _measure(
    means: Means,
    clip: Clip,
    pictures: ClipPictures,
    frame: int,
    prediction: Tensor,
    target: Tensor,
) -> None:
    landmarks = clip.keypoints[frame]
    boxes = {
        name: landmark_box(landmarks[part], pictures.size)
        for name, part in (("mouth", MOUTH), ("eyes", EYES))
    }
    cloth = None
    if pictures.has_semantic(frame):
        labels = pictures.semantic(frame).to(target.device)
        cloth = torch.isin(labels, torch.tensor(CLOTH, device=labels.device))
    for definition, picture in defined(prediction).items():
        means.add("full", definition, picture, target)
        if cloth is not None:
            white = picture.new_ones(())
            means.add(
                "no_cloth",
                definition,
                torch.where(cloth, white, picture),
                torch.where(cloth, white, target),
            )
        for name, (top, bottom, left, right) in boxes.items():
            box = (..., slice(top, bottom), slice(left, right))
            means.add(name, definition, picture[box], target[box])
