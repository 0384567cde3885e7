"""Making the canonical maps: orthographic pictures of a surface in the star pose, by rays."""

from __future__ import annotations

import logging

import numpy as np
import torch

from hgm.body.model import PosedBody
from hgm.geometry.normals import unit, vertex_normals
from hgm.geometry.rays import RayMesh
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.star import Surface

log = logging.getLogger(__name__)
REACH = 1.0  # m from the center to the edges of a map
AWAY = 2.0  # m from the center to where the rays begin; nobody is thicker


def canonical_maps(surface: Surface, star: PosedBody, size: int) -> CanonicalMaps:
    """The maps of `size` pixels of a surface in the star pose of a body.

    A pixel shows the person where a ray hits the surface both from the front and from behind. Its
    normal and weights are those of the corners of the face that it sees, mixed by place.
    """
    low, high = surface.vertices.min(0), surface.vertices.max(0)
    center = (low + high) / 2
    if (high - low)[:2].max() > 2 * REACH:
        log.warning(
            "the person in the star pose is %.2f m wide and %.2f m high, more than the %g m of a "
            "map: what is beyond gets no Gaussians",
            *(high - low)[:2],
            2 * REACH,
        )
    mesh = RayMesh(surface.vertices, surface.faces)
    # pixel centers: x to the right, y upwards
    steps = (np.arange(size) + 0.5) / size * 2 * REACH - REACH
    x, y = np.meshgrid(center[0] + steps, center[1] - steps)
    found = []
    for side in (1.0, -1.0):
        origins = np.stack([x, y, np.full_like(x, center[2] + side * AWAY)], -1)
        directions = np.broadcast_to([0.0, 0.0, -side], origins.shape)
        found.append(mesh.hits(origins, directions)[:2])
    mask = (found[0][0] >= 0) & (found[1][0] >= 0)
    normals = vertex_normals(surface.vertices, surface.faces)
    corners = np.concatenate([surface.faces[faces[mask]] for faces, _ in found])  # [N, 3]
    shares = np.concatenate([weights[mask] for _, weights in found])[..., None].astype(np.float64)

    def mixed(values: np.ndarray) -> np.ndarray:
        return (values[corners] * shares).sum(1)

    weights = mixed(surface.weights)
    arrays = {
        "positions": mixed(surface.vertices),
        "normals": unit(mixed(normals)),
        "weights": weights / weights.sum(1, keepdims=True),
        "center": center,
    }
    return CanonicalMaps(
        mask=torch.from_numpy(np.stack([mask, mask])),
        rest_transforms=star.transforms.cpu().float(),
        joints=star.joints.cpu().float(),
        **{name: torch.from_numpy(array).float() for name, array in arrays.items()},
    )
