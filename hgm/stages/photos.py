"""Photos of a user through the networks of a finished run: `hgm reconstruct`."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from hgm.body.estimates import read_estimate
from hgm.errors import InputError
from hgm.provenance import read_json, write_json
from hgm.refine.estimate import Estimate
from hgm.refine.refinement import RefineSettings
from hgm.runtime import Progress, select_device
from hgm.stages.bodies import refine_subject
from hgm.stages.normal_estimators import load_estimator
from hgm.stages.places import body_model
from hgm.stages.reconstruction import Output, load_reconstructor, write_reconstruction
from hgm.stages.variants import VARIANTS

log = logging.getLogger(__name__)
FILL = 0.72  # share of the image that a person's longer side takes, as 1.35 of 1.875 visible units in the rendered data


def open_photo(path: Path, size: int) -> tuple[Tensor, Tensor]:
    """A photo as the networks see it: rgb [3, size, size] over white and mask [1, size, size], the person centred.

    The mask is the alpha channel, or what differs from a white background. EXIF orientation is applied. Raises InputError
    for an unreadable file, nobody in it, or a person who fills less than 16 pixels.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error})") from None
    rgba = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(image.height, image.width, 4)
    rgba = rgba.movedim(-1, 0).float() / 255
    mask = rgba[3:]
    if bool((mask == 1).all()):
        mask = (rgba[:3].amin(0, keepdim=True) < 0.97).float()
    rows, columns = (torch.nonzero((mask[0] > 0.5).any(d)).flatten() for d in (1, 0))
    if len(rows) == 0:
        raise InputError(f"{path}: nobody found; give a picture with a transparent or white background")
    top, bottom, left, right = (int(x) for x in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    side = max(bottom - top, right - left)
    if side < 16:
        raise InputError(f"{path}: the person is {side} pixels large; at least 16 are needed")
    if mask.mean() > 0.95:
        raise InputError(f"{path}: no background to be seen; cut the person out first (transparent or white background)")
    half = side / FILL / 2
    centre = ((left + right) / 2, (top + bottom) / 2)
    box = (centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half)
    over = torch.cat([rgba[:3] * mask + 1 - mask, mask])
    return _crop(over, box, size, background=(1.0, 1.0, 1.0, 0.0))


def _crop(
    image: Tensor, box: tuple[float, float, float, float], size: int, background: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """The square `box` (left, top, right, bottom, may leave the image) of [4, H, W], antialiased, at `size` pixels."""
    left, top, right, bottom = (round(v) for v in box)
    height, width = image.shape[-2:]
    canvas = image.new_tensor(background)[:, None, None].expand(-1, bottom - top, right - left).clone()
    y0, y1, x0, x1 = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
    canvas[:, y0 - top : y1 - top, x0 - left : x1 - left] = image[:, y0:y1, x0:x1]
    small = torch.nn.functional.interpolate(canvas[None], (size, size), mode="bilinear", antialias=True)[0].clamp(0, 1)
    return small[:3], small[3:]


def reconstruct_photos(
    images: Sequence[Path], run: Path, out: Path, *, bodies: Sequence[Path] = (), device: str = "auto",
) -> tuple[int, dict[str, str]]:
    """Reconstruct photos with the networks in `run`; one folder a photo in `out`. Returns how many, and failures by name.

    `metrics.json` in a photo's folder holds the seconds of each stage; models are loaded before the first.

    `bodies[i]` is the first SMPL-X estimate of photo i; it is refined against the photo. Raises InputError if the run is
    not finished or a body is missing while the networks need one.
    """
    if not (run / "run.json").exists():
        raise InputError(f"{run}: not the folder of a finished run (no run.json); expected for example results/demo")
    config = read_json(run / "run.json")["config"]
    if bodies and len(bodies) != len(images):
        raise InputError(f"--body: {len(bodies)} given for {len(images)} photos; give one for each, in order")
    if not bodies:
        raise InputError("--body: the networks need a first SMPL-X estimate (smplx.npz) for each photo")
    device, size = select_device(device), config["rendering"]["size"]
    reconstructor = load_reconstructor(run, VARIANTS["full"], size=size, back_view=config["back_view"], device=device,
                                       backend=config["splat"], precision=config["network"]["precision"],
                                       compiled=config["network"]["compile"])
    model = body_model(config["scans"], run)
    settings = RefineSettings(**config["refine"])
    normals = load_estimator(config["normals"], run, device=device, backend=config["splat"]) if settings.normal > 0 else None
    output, progress = Output(**config["reconstruct"]), Progress("reconstruct", len(images))
    failed: dict[str, str] = {}
    for i, (path, body) in enumerate(zip(images, bodies, strict=True)):
        try:
            folder = out / path.stem
            folder.mkdir(parents=True, exist_ok=True)
            image, mask = open_photo(path, size)
            # The photo was cut anew, so that the camera of the file, if any, is of no use.
            start = Estimate(read_estimate(body, model, path.stem).params, f"given: {body.name}")
            begun = time.perf_counter()
            vertices = refine_subject(start, image, mask, model, reconstructor, folder, settings, normals=normals,
                                      backend=config["splat"])
            refined = time.perf_counter()
            result = reconstructor.reconstruct(image, vertices, VARIANTS["full"])
            ready = time.perf_counter()
            write_reconstruction(result, image, folder, output, backend=config["splat"])
            seconds = {"refine": refined - begun, **result.seconds, "write": time.perf_counter() - ready}
            write_json(folder / "metrics.json", {"seconds": {stage: round(value, 3) for stage, value in seconds.items()}})
        except InputError as error:
            failed[str(path)] = str(error)
        progress.update(i + 1, path.name)
    return len(images) - len(failed), failed
