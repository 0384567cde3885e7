"""The room that a moving body takes: where its pelvis is, and the box around it, frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters


class Extents(NamedTuple):
    """Of F frames, in meters and the axes of the body, float64."""

    pelvis: np.ndarray  # [F, 3] the joint
    low: np.ndarray  # [F, 3] least coordinates of the vertices
    high: np.ndarray  # [F, 3] greatest ones

    def lowest(self, up: np.ndarray) -> np.ndarray:
        """How far up [F] the lowest point is; `up` [3] is one of the axes, with its sign."""
        return np.minimum(self.low @ up, self.high @ up)

    def moved(self, shifts: np.ndarray) -> Extents:
        """Of the same body elsewhere, by shifts [F, 3]."""
        return Extents(*(places + shifts for places in self))


@torch.no_grad()
def extents(model: BodyModel, params: BodyParameters) -> Extents:
    """Of parameters [F], whose fields may lack the frames where they are the same in all; one frame
    is posed at a time."""
    pelvis, low, high = [], [], []
    for i in range(len(params.body_pose)):
        body = model(params[i])
        pelvis.append(body.joints[0].cpu().numpy())
        vertices = body.vertices.cpu().numpy()
        low.append(vertices.min(0))
        high.append(vertices.max(0))
    return Extents(*(np.asarray(rows, np.float64) for rows in (pelvis, low, high)))


def grounded(levels: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Shifts [F, 3] along `up` after which lowest points at these levels [F] are all at that of the
    first frame."""
    return (levels[0] - levels)[:, None] * up
