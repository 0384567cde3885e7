"""First bodies by landmarks, and landmarks that hold the refinement, on a known body."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody
from hgm.body.estimates.landmarks.seen import LEAN
from hgm.body.landmarks import BodyLandmarks
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras, orbit
from hgm.errors import InputError
from hgm.images.photos.pose.crops import Crop
from hgm.images.photos.pose.estimator import People
from hgm.images.photos.pose.landmarks import PosedPerson
from hgm.images.photos.pose.published import NAMES
from hgm.splat.silhouettes import silhouettes
from hgm.splat.surfels import Surfels, pixel_size
from hgm.systems.hgm.bodies import load_estimate, place_subject
from hgm.systems.hgm.estimate import BodyEstimate, disturb, place
from hgm.systems.hgm.landmarks import LandmarkBodies
from hgm.systems.hgm.refinement import refine_body
from hgm.systems.hgm.sections.bodies import Refine

RIG = orbit(size=96)


def landmarks(model: BodyModel, params: BodyParameters, joints: Tensor) -> Tensor:
    """All 33 landmarks of a body in the frame of its joints [55, 3] NU; those that the body has no
    place for are its pelvis."""
    marks = BodyLandmarks.of(model, NAMES)
    with torch.no_grad():
        body = model(params)
        found = marks.posed(model.shaped(params.betas)[1], body.transforms) - body.joints[0]
    scale = (joints[15] - joints[0]).norm() / (body.joints[15] - body.joints[0]).norm()
    points = joints[:1].repeat(len(NAMES), 1)
    points[marks.chosen] = found * scale + joints[0]
    return points


class Perfect:
    """An estimator that sees a known body, leaning as MediaPipe Pose's do."""

    def __init__(self, points: Tensor, camera: Cameras, meter: float) -> None:
        pixels = camera.project(points)[0].double().numpy()
        seen = (points @ camera.world_to_camera[:3, :3].T).double().numpy() / meter
        seen -= seen[[NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(0)
        angle = np.radians(LEAN)
        lean = np.array(
            [[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]]
        )
        visible = (points != points[-1]).any(-1) | torch.tensor([n == NAMES[-1] for n in NAMES])
        crop = Crop(np.zeros(2), 1.0)
        self.person = PosedPerson(
            1.0, pixels, seen @ lean, visible.double().numpy(), np.zeros((2, 2), np.float32), crop
        )

    def look(self, rgb: np.ndarray) -> People:
        return People((self.person,), ())


@pytest.mark.parametrize("view", [0, 1])
def test_a_known_body_is_estimated_in_the_frame_of_the_views(
    model: BodyModel,
    person: BodyParameters,
    body: CanonicalBody,
    surfels: Surfels,
    view: int,
    tmp_path,
) -> None:
    """By the front camera, and by one 30 degrees aside, whose picture shows it turned."""
    camera = RIG[view]
    with torch.no_grad():
        mask = silhouettes(body.vertices, surfels, RIG[view : view + 1])[0]
    points = landmarks(model, person, body.joints)
    seer = LandmarkBodies(Perfect(points, camera, float(body.nu_per_metre)))  # type: ignore[arg-type]
    found = seer.estimate(torch.ones(3, 96, 96), mask, camera, model)
    assert found.source == "MediaPipe Pose" and found.scale is not None
    assert found.translation is not None and found.keypoints is not None
    with torch.no_grad():
        vertices = place(model(found.params), found.scale, found.translation)[0]
    assert (vertices - body.vertices).norm(dim=-1).mean() < 0.04
    pixels = camera.project(points)[0] / 96
    assert torch.allclose(found.keypoints[:, :2], pixels, atol=1e-5)
    place_subject(found, mask, model, camera, tmp_path)
    kept = load_estimate(tmp_path / "smplx.npz").keypoints
    assert kept is not None and torch.equal(kept, found.keypoints)


def test_nobody_and_a_camera_that_looks_away(model: BodyModel) -> None:
    class Blind:
        def look(self, rgb: np.ndarray) -> None:
            return None

    seer = LandmarkBodies(Blind())  # type: ignore[arg-type]
    white = torch.ones(3, 96, 96)
    with pytest.raises(InputError, match="MediaPipe Pose finds nobody"):
        seer.estimate(white, white[:1], RIG[0], model)
    away = RIG[0].world_to_camera.clone()
    away[2, 3] = -1.5
    with pytest.raises(InputError, match="looks away from the pelvis"):
        seer.estimate(white, white[:1], Cameras(RIG[0].K, away, 96, 96), model)


def test_landmarks_hold_the_refinement(
    model: BodyModel, person: BodyParameters, body: CanonicalBody, surfels: Surfels
) -> None:
    points = landmarks(model, person, body.joints)
    chosen = BodyLandmarks.of(model, NAMES).chosen
    visible = torch.zeros(len(NAMES), 1)
    visible[chosen] = 1
    where = RIG[0].project(points)[0] / 96
    start = replace(
        disturb(person, model, seed=1, mpjpe_mm=75.79), keypoints=torch.cat([where, visible], 1)
    )
    with torch.no_grad():
        mask = silhouettes(body.vertices, surfels, RIG[:1])[0]
    target = surfels.gaussians(body.vertices, pixel_size(RIG))
    off = {}
    for weight in (0.0, 5.0):
        settings = Refine(iterations=10, every=10, sizes=[40], cell=0.025, keypoints=weight)
        found = refine_body(
            start,
            model,
            input_mask=mask,
            cameras=RIG,
            gaussians_from=lambda _: target,
            settings=settings,
        )
        assert ("keypoints" in found.history[0]) == (weight > 0)
        moved = landmarks(model, found.params, found.joints)
        off[weight] = float((RIG[0].project(moved)[0] / 96 - where)[chosen].norm(dim=-1).mean())
    begun = landmarks(model, start.params, place_of(start, model))
    before = float((RIG[0].project(begun)[0] / 96 - where)[chosen].norm(dim=-1).mean())
    assert off[5.0] < 0.5 * before and off[5.0] < 0.8 * off[0.0], (before, off)


def place_of(estimate: BodyEstimate, model: BodyModel) -> Tensor:
    """The joints [55, 3] NU of an estimate."""
    assert estimate.scale is not None and estimate.translation is not None
    with torch.no_grad():
        return place(model(estimate.params), estimate.scale, estimate.translation)[1]
