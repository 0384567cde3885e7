"""A body that an estimator saw in a photo, in our frame and with our body model's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgm.body.estimates.arrays import as_vectors
from hgm.body.joints import HAND_WIDTH, HANDS, WIDTHS
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters, parameters_of

# camera axes x right, y down, z forward -> y up, z towards the camera
FLIP = np.diag([1.0, -1.0, -1.0])
ROTATIONS = {name: width // 3 for name, width in WIDTHS.items()}  # how many each holds
FINGERS = HAND_WIDTH // 3


@dataclass(frozen=True)
class DetectedBody:
    """A body in front of a camera. Where its file names no camera, `pixels_per_meter` and `pelvis`
    are None."""

    params: BodyParameters  # unbatched, y up, `global_orient` zero when facing the camera
    source: str  # what made it, for labels
    pixels_per_meter: float | None = None  # weak perspective
    pelvis: Tensor | None = None  # [2], the pelvis joint in pixels of the photo, x right, y down


@dataclass(frozen=True)
class WeakPerspective:
    """pixel = center + pixels_per_meter * ((x, y) + offset), for points in meters with y down."""

    pixels_per_meter: float
    center: np.ndarray  # [2], pixels of the photo
    offset: np.ndarray  # [2], meters

    @classmethod
    def of_crop(cls, camera: np.ndarray, center: np.ndarray, half: float) -> WeakPerspective:
        """The camera (s, tx, ty) of a square crop, which sees [-1, 1], with its center and half its
        edge in pixels."""
        return cls(float(camera[0]) * half, center, camera[1:3])

    def pixel(self, point: np.ndarray) -> np.ndarray:
        return self.center + self.pixels_per_meter * (point[:2] + self.offset)


def detected_body(
    matrices: Mapping[str, np.ndarray],
    vertices: np.ndarray,
    camera: WeakPerspective,
    model: BodyModel,
    *,
    source: str,
    path: object,
) -> DetectedBody:
    """A body given by the rotation matrices of its joints (ROTATIONS and HANDS, the eyes may be
    absent) and its vertices [10475, 3] in meters, both with y down.

    Estimators use a body model of their own (the neutral one of 2020), whose coefficients mean
    nothing to ours; the vertices do, since their order is the same.
    """
    arrays = {
        key: as_vectors(matrices.get(key, np.tile(np.eye(3), (count, 1, 1))), path, key)
        for key, count in ROTATIONS.items()
    }
    for side, key in enumerate(HANDS):
        arrays[key] = model.exact_hand(as_vectors(matrices[key], path, key), side)
    params = parameters_of(
        {**arrays, "betas": np.zeros(10), "expression": np.zeros(10)}, str(path)
    ).to(model.device)
    params, shift = fit_shape(
        model, params, torch.from_numpy(np.ascontiguousarray(vertices, np.float64))
    )
    with torch.no_grad():
        pelvis = (
            model.shaped(params.betas, params.expression)[1][0].double().cpu().numpy()
            + shift.numpy()
        )
    upright = as_vectors(FLIP @ matrices["global_orient"], path, "global_orient")
    return DetectedBody(
        params.to("cpu").replace(global_orient=torch.from_numpy(upright).float()),
        source,
        camera.pixels_per_meter,
        torch.from_numpy(camera.pixel(pelvis)).float(),
    )


def fit_shape(
    model: BodyModel, params: BodyParameters, vertices: Tensor
) -> tuple[BodyParameters, Tensor]:
    """The betas and expression, of the widths in `params`, and the shift [3] with which the posed
    body comes nearest to vertices [10475, 3], in meters.

    With the rotations held, skinning is affine in shape and expression, so this is one linear
    least-squares problem; where both models are the same the answer is exact.
    """
    widths = params.betas.shape[-1], params.expression.shape[-1]
    units = torch.eye(sum(widths), device=params.betas.device)
    steps = torch.cat([torch.zeros_like(units[:1]), units])
    batch = params.expand(len(steps)).replace(
        betas=steps[:, : widths[0]], expression=steps[:, widths[0] :]
    )
    with torch.no_grad():
        bodies = model(batch).vertices.double().cpu()
    columns = torch.cat(
        [
            (bodies[1:] - bodies[0]).flatten(1).T,
            torch.eye(3, dtype=torch.float64).repeat(len(vertices), 1),
        ],
        1,
    )
    found = torch.linalg.lstsq(columns, (vertices.double() - bodies[0]).reshape(-1, 1)).solution[
        :, 0
    ]
    betas, expression, shift = found.split([*widths, 3])
    return params.replace(
        betas=betas.to(params.betas), expression=expression.to(params.expression)
    ), shift
