"""Does the fit of a body belong to its scan? A wrong scale, place or scan shows in three numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.errors import ScanError
from hgm.scans.canonical import CanonicalScan
from hgm.scans.obj import ObjMesh

# Right fits stay under 1 cm and 3 cm and between 1.02 and 1.04 on people in plain clothes; the bounds leave room for
# coats, skirts (the legs are 10 to 15 cm away from the cloth), hair and shoes. The fit of another scan, a turn by 45
# degrees or more, or a scale 1.2 times too large is over one of them, mostly by a factor of two.
MEDIAN = 0.04  # metres, body vertex to the surface of the scan
PERCENTILE_95 = 0.15  # metres
HEIGHT = (0.90, 1.15)  # height of the scan over height of the posed body
SAMPLES = 50_000  # points on the scan, about 7 mm apart
BODY_STEP = 4  # every fourth vertex of the body


@dataclass(frozen=True)
class FitQuality:
    """How far the body of a fit is from its scan."""

    median: float  # metres
    percentile_95: float  # metres
    height_ratio: float


def fit_quality(mesh: ObjMesh, scan: CanonicalScan) -> FitQuality:
    """Distances from body vertices to the scan's surface and the ratio of heights, in the size of the person."""
    from scipy.spatial import cKDTree

    metre = float(scan.body.nu_per_metre)
    body = scan.body.vertices.double().numpy() / metre
    surface = scan.apply(surface_points(mesh, SAMPLES)) / metre
    distances, _ = cKDTree(surface).query(body[::BODY_STEP])
    heights = [np.ptp(points[:, 1]) for points in (scan.apply(mesh.vertices) / metre, body)]
    return FitQuality(float(np.median(distances)), float(np.percentile(distances, 95)), float(heights[0] / heights[1]))


def check_fit(mesh: ObjMesh, scan: CanonicalScan, path: str | Path) -> FitQuality:
    """`fit_quality`, or one ScanError that names the fit's file `path` when its scale or alignment is off."""
    quality = fit_quality(mesh, scan)
    if not HEIGHT[0] <= quality.height_ratio <= HEIGHT[1]:
        raise ScanError(f"{path}: the scan is {quality.height_ratio:.2f} times as tall as the body of the fit, "
                        f"expected {HEIGHT[0]} to {HEIGHT[1]}; the scale is wrong or it is the fit of another scan")
    if quality.median > MEDIAN or quality.percentile_95 > PERCENTILE_95:
        raise ScanError(f"{path}: the body of the fit is {100 * quality.median:.0f} cm (median; 95%: "
                        f"{100 * quality.percentile_95:.0f} cm) away from the scan, expected under {100 * MEDIAN:.0f} "
                        f"({100 * PERCENTILE_95:.0f}); the fit is out of place or belongs to another scan")
    return quality


def surface_points(mesh: ObjMesh, count: int, seed: int = 0) -> np.ndarray:
    """Points [count, 3] spread evenly by area over a mesh, in its units; equal seeds give equal points."""
    rng = np.random.default_rng(seed)
    corners = mesh.vertices[mesh.faces]  # [F, 3, 3]
    edges = corners[:, 1:] - corners[:, :1]
    total = np.cumsum(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
    face = np.searchsorted(total, (np.arange(count) + rng.random(count)) * (total[-1] / count)).clip(max=len(edges) - 1)
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return corners[face, 0] + u * edges[face, 0] + v * edges[face, 1]
