"""Where a scan stands, and which cameras see its pairs: the rig of GPS-Gaussian's renderer.

The world of a pair: meters, y up, the feet at y = 0. Its cameras look at one target from one
distance; the second is `degrees` further around the person, to the right of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hgm.cameras import Cameras, look_at
from hgm.core.keys import derived_seed
from hgm.errors import ScanError
from hgm.systems.posegaussian.settings import Pairs

SOURCES = (0, 1)  # the photos, the left one first
NOVEL = (2, 3, 4)  # between them: in the first half, halfway, in the second half
HEIGHT, HEIGHT_SPREAD = 1.80, 0.05  # meters
SHIFT, TALL_SHIFT = 0.10, 0.05  # meters from the middle at most, along x and z: of whoever is
# shorter than HEIGHT, and of the others
WIDE, WIDE_SHIFT = 1.0, 0.01  # whoever is wider than this, in meters, moves less than that


def heading_of(global_orient: np.ndarray) -> float:
    """The way that a body faces, in degrees about y from +z towards +x, of the rotation vector [3]
    of its pelvis."""
    from hgm.geometry.rotations import rotation_matrix

    forward = rotation_matrix(global_orient)[:, 2]
    return float(np.degrees(np.arctan2(forward[0], forward[2])))


def placed(vertices: np.ndarray, seed: int, scan: str) -> np.ndarray:
    """The similarity [4, 4] from the units of a scan's vertices [V, 3], y up, to the world of its
    pairs. Height and place are drawn for the scan: 1.80 +- 0.05 m, and its middle up to 0.10 m off
    the world's axis. Raises ScanError for a scan without height."""
    random = np.random.default_rng(derived_seed(seed, "place", scan))
    low, high = vertices.min(0), vertices.max(0)
    if not high[1] > low[1]:
        raise ScanError(
            f"{scan}: all of its vertices are at one height; expected a standing person"
        )
    height = HEIGHT + HEIGHT_SPREAD * random.uniform(-1, 1)
    scale = height / (high[1] - low[1])
    reach = SHIFT if height < HEIGHT else TALL_SHIFT
    if scale * (high - low)[[0, 2]].max() > WIDE:
        reach = WIDE_SHIFT
    shift = reach * random.uniform(-1, 1, 2)
    middle = (low + high) / 2
    transform = np.diag([scale, scale, scale, 1.0])
    transform[:3, 3] = -scale * np.array([middle[0], low[1], middle[2]])
    transform[[0, 2], 3] += shift
    return transform


def pair_cameras(rig: Pairs, scan: str, pair: int, *, heading: float, seed: int) -> Cameras:
    """The five cameras of a pair of a scan, float64, of the sources' size: the two photos, then the
    views between them.

    The pairs of a scan begin at equal steps around it, the first of them within half a step from
    the front, as drawn for the scan. Where the views 2 and 4 are is drawn for the pair.
    """
    start = np.random.default_rng(derived_seed(seed, "start", scan)).uniform(-0.5, 0.5)
    first, second = np.random.default_rng(derived_seed(seed, "novel", scan, pair)).uniform(
        0, 0.5, 2
    )
    ratios = (0.0, 1.0, first, 0.5, 0.5 + second)
    begin = heading + 360 / rig.per_scan * (start + pair)
    return ring(rig, [begin + rig.degrees * ratio for ratio in ratios])


def ring(rig: Pairs, azimuths: Sequence[float]) -> Cameras:
    """The rig's cameras [N] at azimuths in degrees, 0 in front of a person who faces +z and 90 at
    +x."""
    azimuth = torch.deg2rad(torch.tensor(azimuths, dtype=torch.float64))
    pitch = torch.deg2rad(torch.tensor(rig.pitch, dtype=torch.float64))
    target = torch.tensor([0.0, rig.target, 0.0], dtype=torch.float64)
    away = torch.stack(
        [
            azimuth.sin() * pitch.cos(),
            pitch.sin().expand_as(azimuth),
            azimuth.cos() * pitch.cos(),
        ],
        -1,
    )
    size = rig.size
    K = torch.tensor(
        [
            [rig.focal * size, 0.0, size / 2],
            [0.0, rig.focal * size, size / 2 + rig.below * size],
            [0.0, 0.0, 1.0],
        ],
        dtype=torch.float64,
    )
    eyes = target + rig.distance * away
    return Cameras(K.expand(len(eyes), 3, 3).contiguous(), look_at(eyes, target), size, size)


def spacing(first: np.ndarray, second: np.ndarray) -> float:
    """Degrees by which a camera is turned from another one; both world_to_camera [4, 4]."""
    turn = first[:3, :3] @ second[:3, :3].T
    sine = np.linalg.norm(
        [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
    )
    return float(np.degrees(np.arctan2(sine, np.trace(turn) - 1)))


def ratio_of(first: np.ndarray, second: np.ndarray, between: np.ndarray) -> float:
    """How far a camera is on the way from the first of a pair, 0, to the second, 1, along the line
    between them, whichever way they look; all world_to_camera [4, 4]. The two must not stand at one
    place."""
    start, end, here = (-w2c[:3, :3].T @ w2c[:3, 3] for w2c in (first, second, between))
    way = end - start
    return float((here - start) @ way / (way @ way))
