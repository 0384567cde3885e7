"""Measures one reconstructed subject against its scan: images, surface and joints, and three simple
baselines for comparison."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hgm.body.files import load_body
from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import Views, load_image, load_views, resize, save_image
from hgm.mesh.io import load_mesh
from hgm.metrics.definitions import (
    Definitions,
    back_errors,
    image_errors,
    subject_record,
    view_errors,
)
from hgm.metrics.lpips import LPIPS
from hgm.metrics.surfaces import SurfaceErrors, SurfaceMesh, surface_errors
from hgm.scans.canonical import scan_to_nu
from hgm.scans.obj import load_obj
from hgm.scans.thuman import ScanFiles
from hgm.splat import backend_for, render
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.bodies import joint_errors

log = logging.getLogger(__name__)
Json = dict[str, Any]


def true_surface(files: ScanFiles, model: BodyModel) -> SurfaceMesh:
    """The scan's surface in normalized units."""
    scan = scan_to_nu(load_fit(files.fit, model), model)
    mesh = load_obj(files.obj)
    return SurfaceMesh(scan.apply(mesh.vertices), mesh.faces)


def textured_body(vertices: Tensor, faces: Tensor, image: Tensor, camera: Cameras) -> Gaussians:
    """Baseline: the body [P, 3] as discs, each with the color of the photo [3, H, W] at its
    projection, whether it is visible there or not."""
    surfels = Surfels.of(vertices, faces)
    discs = surfels.gaussians(vertices, pixel=1.5 / float(camera.K[0, 0]))
    pixels, _ = camera.project(discs.means)
    grid = pixels / pixels.new_tensor([camera.width, camera.height]) * 2 - 1
    colors = torch.nn.functional.grid_sample(
        image[None], grid[None, None], align_corners=False, padding_mode="border"
    )
    return Gaussians(
        discs.means, discs.opacities, discs.scales, discs.quats, colors[0, :, 0].mT.contiguous()
    )


def image_metrics(
    prediction: Tensor, truth: Views, seen: Viewpoints, lpips: LPIPS | None
) -> tuple[Definitions, Definitions]:
    """Metrics of renders [V, 3, H, W] of all views: over the measured views, and of the back view
    alone."""
    return (
        view_errors(prediction, truth.rgb, seen, lpips, mask=truth.mask),
        back_errors(prediction, truth.rgb, seen, lpips, mask=truth.mask),
    )


def back_picture(path: Path, truth: Views, seen: Viewpoints, lpips: LPIPS | None) -> Definitions:
    """Metrics of the picture of the back that the ControlNet made, against the true back view
    (paper table 7)."""
    made = resize(load_image(path), truth.rgb.shape[-1])
    return image_errors(made[None], truth.rgb[[seen.back]], lpips, mask=truth.mask[[seen.back]])


def renders(gaussians: Gaussians, cameras: Cameras, backend: str) -> Tensor:
    """Renders [V, 3, H, W] by cameras [V] over white, on the device of the Gaussians."""
    device = gaussians.means.device
    with torch.no_grad():
        return render(
            gaussians, cameras.to(device), backend=backend_for(backend, device)
        ).rgb.clamp(0, 1)


def baselines(
    subject: Path,
    truth: Views,
    seen: Viewpoints,
    body: Mapping[str, Any],
    faces: Tensor,
    lpips: LPIPS | None,
    backend: str,
) -> Json:
    """Metrics of the simple baselines: a copy of the photo for every view, the coarse stage, the
    body textured by projection."""
    photo = truth.rgb[seen.front]
    textured = textured_body(
        torch.from_numpy(body["vertices"]), faces, photo, truth.cameras[seen.front]
    )
    predictions = {
        "copy_nearest": photo.expand_as(truth.rgb),
        "coarse": renders(Gaussians.load_ply(subject / "coarse.ply"), truth.cameras, backend),
        "textured_body": renders(textured, truth.cameras, backend),
    }
    found: Json = {}
    for name, prediction in predictions.items():
        views, back = image_metrics(prediction, truth, seen, lpips)
        found[name] = {"views": views, "back": back}
    return found


def geometry(
    path: Path, truth: SurfaceMesh | None, samples: int, seed: int
) -> dict[str, float | None]:
    """Surface errors of a subject's mesh file; all None without the file or the truth. Raises
    InputError for a damaged file."""
    mesh = None
    if truth is not None and path.exists():
        loaded = load_mesh(path)
        mesh = SurfaceMesh(np.asarray(loaded.vertices), np.asarray(loaded.faces))
    return surface_numbers(mesh, truth, samples, derived_seed(seed, path.parent.name) % 2**32)


def surface_numbers(
    mesh: SurfaceMesh | None, truth: SurfaceMesh | None, samples: int, number: int
) -> dict[str, float | None]:
    """Surface errors without and with rigid alignment, on points drawn with the seed `number`; all
    None where a mesh is missing."""
    if mesh is None or truth is None:
        return {f"{f.name}{suffix}": None for f in fields(SurfaceErrors) for suffix in ("", "_icp")}
    plain, aligned = (
        surface_errors(mesh, truth, samples=samples, seed=number, align=a).to_json()
        for a in (False, True)
    )
    return {**plain, **{f"{name}_icp": value for name, value in aligned.items()}}


def evaluate_subject(
    subject: Path,
    view_folder: Path,
    estimate: Path,
    files: ScanFiles | None,
    model: BodyModel,
    *,
    variant: str,
    standin: bool,
    lpips: LPIPS | None,
    seed: int,
    surface_samples: int,
    simple: bool = True,
    backend: str = "auto",
) -> Json:
    """metrics.json of one subject. Numbers that are not available are null; without a scan (`files`
    None) these include the surface errors. Also writes the true views beside the novel ones.
    simple: measure the simple baselines as well; the tables show those of one variant only."""
    truth = load_views(view_folder)
    seen = Viewpoints.of(truth.cameras, view_folder)
    for i, rgb in enumerate(truth.rgb):
        save_image(subject / f"truth_{i:02d}.png", rgb)
    size = truth.rgb.shape[-1]
    body, first, true_body = (load_body(p / "smplx.npz") for p in (subject, estimate, view_folder))
    novel = torch.stack([load_image(subject / f"novel_{i:02d}.png") for i in range(len(truth))])
    if novel.shape[-1] != size:
        novel = renders(Gaussians.load_ply(subject / "gaussians.ply"), truth.cameras, backend)
    views, back_render = image_metrics(novel, truth, seen, lpips)
    surface = None if files is None else true_surface(files, model)
    before = joint_errors(first, true_body)
    after = joint_errors(body, true_body)
    pictures = {
        "views": views,
        "back": back_picture(subject / "back.png", truth, seen, lpips),
        "back_render": back_render,
    }
    found = {
        **subject_record("hgm", subject.name, variant, standin=standin, images=pictures),
        **pictures,
        "geometry": geometry(subject / "mesh.glb", surface, surface_samples, seed),
        "body": {**{f"initial_{name}": value for name, value in before.items()}, **after},
    }
    if simple:
        found["baselines"] = baselines(
            subject, truth, seen, body, torch.as_tensor(model.faces), lpips, backend
        )
    return found
