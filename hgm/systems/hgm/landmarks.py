"""First bodies by MediaPipe Pose: its landmarks, fitted by the body model; the reading of them that
the silhouette agrees with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hgm.body.estimates.detected import FLIP
from hgm.body.estimates.landmarks import Fitted, Landmarks, fit_landmarks
from hgm.body.estimators.labels import LANDMARKS
from hgm.body.model import BodyModel
from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.images.photos.pose.estimator import PoseEstimator
from hgm.images.photos.pose.published import NAMES
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.splat.silhouettes import resized_mask, silhouettes, soft_iou
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.bodies import place_subject
from hgm.systems.hgm.estimate import BodyEstimate, place

PICTURE_SIZE = 512  # pixels, the edge of the picture of a photo that landmarks are read from
WIDTH = 64  # of the silhouettes that are compared, in pixels
CELL = 0.02  # edge of their patches, in normalized units
MISS = 200.0  # squared sigmas of the fit that a silhouette wholly missed weighs
BACK = 20.0  # … and a back turned to the camera, which photos for HGM seldom show


class LandmarkBodies:
    """Estimates bodies by their landmarks. The networks are opened by the first picture."""

    def __init__(self, estimator: PoseEstimator | None = None) -> None:
        self._estimator = estimator or PoseEstimator()

    def estimate(
        self, image: Tensor, mask: Tensor, camera: Cameras, model: BodyModel
    ) -> BodyEstimate:
        """The body of a picture [3, H, W] of one person over white with mask [1, H, W], taken by an
        unbatched camera. Raises InputError where nobody is found or the networks are not there."""
        if float(camera.world_to_camera[2, 3]) <= 0:
            raise InputError(
                "the input camera looks away from the pelvis; expected the person in front of it"
            )
        rgb = (image.movedim(0, -1) * 255).round().clamp(0, 255).byte().cpu().numpy()
        people = self._estimator.look(np.ascontiguousarray(rgb))
        if people is None:
            raise InputError("MediaPipe Pose finds nobody in it")
        person = people.largest
        seen = Landmarks(NAMES, person.pixels, person.world, person.visibility)
        fits = fit_landmarks(
            seen,
            model,
            camera.K.double().cpu().numpy(),
            width=camera.width,
            distance=float(camera.world_to_camera[2, 3]),
        )
        keypoints = np.column_stack([person.pixels / camera.width, person.visibility])
        found = [
            _in_views(fit, camera, LANDMARKS, torch.from_numpy(keypoints).float()) for fit in fits
        ]
        losses = [
            fit.loss + MISS * miss + BACK * _turns_away(fit)
            for fit, miss in zip(fits, _misses(found, mask, camera, model), strict=True)
        ]
        return found[int(np.argmin(losses))]

    def write(self, view_folder: Path, model: BodyModel, out: Path) -> None:
        """Write the body that the front view of a scan shows to the folder `out`."""
        views = Viewpoints.read(view_folder)
        image, mask = (
            load_image(view_path(view_folder, kind, views.front)) for kind in ("rgb", "mask")
        )
        camera = views.cameras[views.front]
        place_subject(self.estimate(image, mask, camera, model), mask, model, camera, out)


def _turns_away(fit: Fitted) -> bool:
    """Whether a body shows its back to the camera."""
    orient = Rotation.from_rotvec(fit.params.global_orient.double().cpu().numpy())
    return bool(orient.apply([0.0, 0.0, 1.0])[2] < 0)


def _in_views(fit: Fitted, camera: Cameras, source: str, keypoints: Tensor) -> BodyEstimate:
    """A body before a camera as an estimate in the frame of the views, its pelvis as far away as
    the origin."""
    w2c = camera.world_to_camera.double().cpu().numpy()
    turn = w2c[:3, :3].T @ FLIP
    orient = Rotation.from_matrix(turn) * Rotation.from_rotvec(
        fit.params.global_orient.double().cpu().numpy()
    )
    scale = w2c[2, 3] / -fit.place[2]
    position = turn @ (fit.place * scale) - w2c[:3, :3].T @ w2c[:3, 3]
    return BodyEstimate(
        fit.params.replace(global_orient=fit.params.betas.new_tensor(orient.as_rotvec())),
        source,
        float(scale),
        fit.params.betas.new_tensor(position),
        keypoints,
    )


def _misses(
    estimates: list[BodyEstimate], mask: Tensor, camera: Cameras, model: BodyModel
) -> list[float]:
    """The share of silhouette and mask [1, H, W] that do not overlap, of each estimate."""
    small = camera.resized(WIDTH, round(WIDTH * camera.height / camera.width)).to(model.device)
    views = Cameras(small.K[None], small.world_to_camera[None], small.width, small.height)
    target = resized_mask(mask.to(model.device), small.width, small.height)[None]
    surfels: Surfels | None = None
    misses = []
    with torch.no_grad():
        for estimate in estimates:
            assert estimate.scale is not None and estimate.translation is not None
            if surfels is None:
                rest = model.shaped(estimate.params.betas)[0] * estimate.scale
                surfels = Surfels.of(rest, model.faces, cell=CELL)
            body = model(estimate.params)
            vertices = place(body, estimate.scale, estimate.translation)[0]
            misses.append(1 - float(soft_iou(silhouettes(vertices, surfels, views), target)[0]))
    return misses
