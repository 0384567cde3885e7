"""First estimates of the test subjects' bodies and their refinement (paper section 3.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.estimates import read_estimate
from hgm.body.estimators.files import estimate_file
from hgm.body.estimators.labels import GIVEN, REFINED
from hgm.body.files import BODY_FILE, load_body, parameters, save_body
from hgm.body.model import BodyModel
from hgm.cameras import Cameras, orbit
from hgm.core.keys import derived_seed
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.metrics.joints import mpjpe, pa_mpjpe
from hgm.systems.hgm.estimate import BodyEstimate, disturb, estimate_in_views, place
from hgm.systems.hgm.normal_estimators import NormalEstimator
from hgm.systems.hgm.reconstruction import Reconstructor
from hgm.systems.hgm.refinement import place_in_mask, refine_body
from hgm.systems.hgm.sections.bodies import Refine
from hgm.train.loop import write_history

REFINEMENT = "refinement.tsv"  # in the folder of a person: the steps of the refinement


def estimate_subject(
    view_folder: Path, model: BodyModel, out: Path, *, seed: int, mpjpe_mm: float
) -> None:
    """Write the true fit of a rendered scan, disturbed by seeded noise, in place of the result of
    an estimator. `source` in the file says so."""
    params = parameters(view_folder / BODY_FILE)
    estimate = disturb(params, model, seed=derived_seed(seed, view_folder.name), mpjpe_mm=mpjpe_mm)
    _save_estimate(estimate, model, view_folder, out)


def given_subject(
    folder: Path, view_folder: Path, model: BodyModel, out: Path, *, name: str | None = None
) -> None:
    """Write an estimator's body of a subject, read from its files in `folder`
    (`hgm.body.estimates`), which are named after the subject or `name`. Scale and position are from
    the estimator's camera where the files have one, else from the mask."""
    subject = name or view_folder.name
    seen = read_estimate(estimate_file(folder, subject), model, subject)
    views = Viewpoints.read(view_folder)
    estimate = estimate_in_views(seen, views.cameras[views.front])
    _save_estimate(
        dataclasses.replace(estimate, source=GIVEN + seen.source), model, view_folder, out
    )


def _save_estimate(estimate: BodyEstimate, model: BodyModel, view_folder: Path, out: Path) -> None:
    views = Viewpoints.read(view_folder)
    mask = load_image(view_path(view_folder, "mask", views.front))
    place_subject(estimate, mask, model, views.cameras[views.front], out)


def place_subject(
    estimate: BodyEstimate, mask: Tensor, model: BodyModel, camera: Cameras, out: Path
) -> Tensor:
    """A first estimate without refinement: at its own position, or, where it has none, at that of
    the mask [1, H, W] seen by an unbatched camera.

    Writes `smplx.npz` to `out`; returns the vertices [10475, 3] in normalized units.
    """
    estimate = estimate.to(model.device)
    scale = estimate.scale
    translation = estimate.translation
    if scale is None or translation is None:
        scale, translation = place_in_mask(estimate.params, model, mask, camera)
    with torch.no_grad():
        vertices, joints = place(model(estimate.params), scale, translation)
    save_body(
        out / BODY_FILE,
        estimate.params,
        source=estimate.source,
        scale=scale,
        translation=translation.cpu().numpy(),
        vertices=vertices,
        joints=joints,
        keypoints=None if estimate.keypoints is None else estimate.keypoints.cpu().numpy(),
    )
    return vertices


def load_estimate(path: Path) -> BodyEstimate:
    """A first estimate that `place_subject` wrote."""
    arrays = load_body(path)
    seen = arrays.get("keypoints")
    return BodyEstimate(
        parameters(path),
        str(arrays["source"]),
        float(arrays["scale"]),
        torch.from_numpy(np.asarray(arrays["translation"], np.float32)),
        None if seen is None else torch.from_numpy(np.asarray(seen, np.float32)),
    )


def refine_subject(
    start: BodyEstimate,
    image: Tensor,
    mask: Tensor,
    camera: Cameras,
    model: BodyModel,
    reconstructor: Reconstructor,
    out: Path,
    settings: Refine,
    *,
    normals: NormalEstimator | None = None,
    backend: str = "auto",
) -> Tensor:
    """Refine an estimate against the mask [1, H, W] of a photo [3, H, W] taken by an unbatched
    camera, the silhouettes of what the coarse model makes of this photo, and, where an estimator of
    normals is given, the normals that it predicts from the photo. Body model, reconstructor and
    estimator are on one device.

    Writes `smplx.npz` and `refinement.tsv` to `out`; returns the vertices [10475, 3] in normalized
    units.
    """

    def gaussians_from(vertices: Tensor | None) -> Gaussians:
        return reconstructor.coarse_gaussians(image, mask, vertices, camera)

    cameras = silhouette_cameras(camera.resized(reconstructor.size)).to(reconstructor.device)
    normals_from = (
        None
        if normals is None
        else partial(normals.of_body, image, mask, faces=model.faces, camera=cameras[0])
    )
    refined = refine_body(
        start,
        model,
        input_mask=mask,
        cameras=cameras,
        gaussians_from=gaussians_from,
        normals_from=normals_from,
        settings=settings,
        backend=backend,
    )
    save_body(
        out / BODY_FILE,
        refined.params,
        source=REFINED + start.source,
        scale=refined.scale,
        translation=refined.translation.cpu().numpy(),
        vertices=refined.vertices,
        joints=refined.joints,
    )
    write_history(out / REFINEMENT, refined.history)
    return refined.vertices


def silhouette_cameras(camera: Cameras) -> Cameras:
    """The unbatched camera of the input, then the views of HGM's rig except the front one. The side
    silhouettes are renders of Gaussians, so these cameras need not be those of a data set."""
    sides = orbit(size=camera.width)[1:].to(camera.K)
    return Cameras(
        torch.cat([camera.K[None], sides.K]),
        torch.cat([camera.world_to_camera[None], sides.world_to_camera]),
        camera.width,
        camera.height,
    )


def joint_errors(
    body: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """MPJPE and PA-MPJPE over the first 22 joints, in millimeters at the size of the person (paper
    table 6)."""
    meter = float(truth["nu_per_metre"])
    estimate, target = (
        torch.from_numpy(np.asarray(x["joints"], np.float64)) / meter for x in (body, truth)
    )
    return {
        "mpjpe_mm": float(mpjpe(estimate, target)),
        "pa_mpjpe_mm": float(pa_mpjpe(estimate, target)),
    }
