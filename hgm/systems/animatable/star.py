"""The star pose, in which the canonical maps see a person: as at rest, arms level, but with the
legs apart, so that nothing hides anything."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hgm.body.joints import BODY_NAMES, HAND_WIDTH, HANDS
from hgm.body.model import BodyModel, PosedBody
from hgm.body.parameters import BodyParameters

SPREAD = math.radians(25.0)  # of the left leg about z; of the right one the other way


def star_parameters(model: BodyModel, betas: Tensor) -> BodyParameters:
    """The parameters of one body [] with betas [S] in the star pose, its hands flat."""
    pose = torch.zeros(3 * len(BODY_NAMES), device=model.device)
    pose[3 * BODY_NAMES.index("left_hip") + 2] = SPREAD
    pose[3 * BODY_NAMES.index("right_hip") + 2] = -SPREAD
    flat = {
        name: torch.from_numpy(model.exact_hand(np.zeros(HAND_WIDTH), side)).to(pose)
        for side, name in enumerate(HANDS)
    }
    return model.zeros().replace(betas=betas.to(pose), body_pose=pose, **flat)


def star_body(model: BodyModel, betas: Tensor) -> PosedBody:
    """The body with betas [S] in the star pose: vertices [10475, 3], joints [55, 3], and the
    transforms [55, 4, 4] from the rest pose to it."""
    with torch.no_grad():
        return model(star_parameters(model, betas))


class Surface(NamedTuple):
    """A closed mesh in the star pose with skinning weights: the body's, or a template's."""

    vertices: np.ndarray  # [V, 3] m
    faces: np.ndarray  # [F, 3]
    weights: np.ndarray  # [V, 55]

    @classmethod
    def of_body(cls, model: BodyModel, star: PosedBody) -> Surface:
        return cls(
            star.vertices.cpu().double().numpy(),
            model.faces.cpu().numpy(),
            model.skinning_weights.cpu().double().numpy(),
        )
