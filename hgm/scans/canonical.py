"""From the frame of a scan to the world of the networks, by the fit of the body to the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hgm.geometry.rotations import rotation_matrix

if TYPE_CHECKING:
    from hgm.body.canonical import CanonicalBody
    from hgm.body.fits import Fit
    from hgm.body.model import BodyModel


@dataclass(frozen=True)
class CanonicalScan:
    """A scan's place in the world: pelvis at the origin, y up, facing +z, normalized units."""

    transform: np.ndarray  # [4, 4] float64, a similarity: scan units -> normalized units
    body: CanonicalBody  # unbatched, in the same frame
    faces: np.ndarray  # [20908, 3] int64, of the body

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] of the scan -> normalized units, float64."""
        return points @ self.transform[:3, :3].T + self.transform[:3, 3]


def scan_to_nu(fit: Fit, model: BodyModel) -> CanonicalScan:
    """The similarity that takes a scan to normalized units, and its body there.

    A fit places the body with v = model(params) * scale + translation, and the model turns by
    global_orient about the pelvis joint of the shaped rest pose. Undone in that order: x =
    nu_per_metre * R^T ((v - translation) / scale - pelvis).
    """
    from hgm.body.canonical import canonical

    with torch.no_grad():
        body = canonical(model, fit.params)
        pelvis = model.shaped(fit.params.betas, fit.params.expression)[1][0]
    R = rotation_matrix(fit.params.global_orient.double().numpy())
    A = float(body.nu_per_metre) * R.T
    transform = np.eye(4)
    transform[:3, :3] = A / fit.scale
    transform[:3, 3] = -A @ (fit.translation.numpy() / fit.scale + pelvis.double().numpy())
    return CanonicalScan(transform, body, model.faces.numpy())
