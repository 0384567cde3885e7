"""Damped least squares (Levenberg and Marquardt) from landmarks to the parameters of SMPL-X."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from hgm.body.estimates.landmarks.problem import Problem, State
from hgm.body.estimates.landmarks.seen import Landmarks
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters

STEPS = 40
# A limit can stop a limb that has to go around it. So a second descent begins with joints that are
# hardly held, by this factor, for so many steps.
EASE = 5.0
EASY_STEPS = 15
DAMPING = 1e-2  # of the normal equations' diagonal, at the first step
EASED, RAISED = 0.3, 5.0  # factors of the damping after a step that helped, and one that did not
ENOUGH = 1e-4  # relative gain of a step after which nothing more is to be had


@dataclass(frozen=True)
class Fitted:
    """A body before the camera that saw the landmarks."""

    params: BodyParameters  # unbatched; y up, `global_orient` zero when facing the camera
    place: np.ndarray  # [3] meters, the pelvis joint; x right, y up, z towards the camera, from it
    loss: float  # sum of the squared residuals


def fit_landmarks(
    seen: Landmarks, model: BodyModel, K: np.ndarray, *, width: int, distance: float
) -> list[Fitted]:
    """A body for each reading of the landmarks, the estimator's own first; on the model's device.

    K [3, 3]: intrinsics in pixels of the picture, which is `width` wide. distance: from the camera
    to the pelvis of a person in the usual framing, in normalized units.
    """
    problems = (
        Problem(reading, model, K, width=width, distance=distance) for reading in seen.readings()
    )
    return [_fitted(*solve(problem), model) for problem in problems]


def solve(problem: Problem) -> tuple[State, float]:
    """The state of the least sum of squared residuals, and this sum."""
    start = problem.start()
    eased, _ = _descend(problem, start, EASY_STEPS, EASE)
    ends = [_descend(problem, begin, STEPS, 1.0) for begin in (start, eased)]
    return min(ends, key=lambda end: end[1])


def _descend(problem: Problem, state: State, steps: int, ease: float) -> tuple[State, float]:
    residuals, rows, placed = problem.residuals(state, ease=ease)
    loss = residuals @ residuals
    damping = DAMPING
    for _ in range(steps):
        normal = rows.T @ rows
        damped = normal + damping * np.diag(np.diag(normal) + 1e-9)
        step = -np.linalg.solve(damped, rows.T @ residuals)
        moved = state.moved(step, placed.world, problem.chain.parents)
        tried = problem.residuals(moved, ease=ease)
        gain = loss - tried[0] @ tried[0]
        if gain <= 0:
            damping *= RAISED
            continue
        state, (residuals, rows, placed) = moved, tried
        loss -= gain
        damping *= EASED
        if gain < ENOUGH * loss:
            break
    return state, float(loss)


def _fitted(state: State, loss: float, model: BodyModel) -> Fitted:
    vectors = torch.from_numpy(Rotation.from_matrix(state.rotations).as_rotvec().reshape(-1))
    zeros = model.zeros()
    params = zeros.replace(
        global_orient=vectors[:3].to(zeros.betas),
        body_pose=vectors[3:].to(zeros.betas),
        betas=torch.from_numpy(state.betas).to(zeros.betas),
    )
    return Fitted(params, state.place, loss)
