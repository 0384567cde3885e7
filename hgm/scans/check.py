"""Check that the fit of a body belongs to its scan. A wrong scale, place, rotation or scan shows in
distances and silhouettes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.errors import ScanError
from hgm.geometry.rotations import rotation_matrix
from hgm.geometry.sampling import spread_points
from hgm.scans.canonical import CanonicalScan
from hgm.scans.obj import ObjMesh
from hgm.scans.silhouettes import outside, shared, silhouettes, small

# Right fits stay under 1 cm and 3 cm and between 1.02 and 1.04 on people in plain clothes; the
# bounds leave room for coats, skirts (the legs are 10 to 15 cm away from the cloth), hair and
# shoes. The fit of another scan, a turn by 45 degrees or more, or a scale 1.2 times too large is
# over one of them, mostly by a factor of two.
MEDIAN = 0.04  # meters, body vertex to the surface of the scan
PERCENTILE_95 = 0.15  # meters
# height of the scan over height of the posed body: hair, hats and shoes add, nothing takes away
HEIGHT = (0.95, 1.15)
# A body is inside its clothes: in the silhouettes of the clothed stand-ins less than 1 % of it
# looks out, and clothes and hair leave 0.71 to 0.89 of intersection over union. Joints off by 3
# degrees and 2 cm of shift make that 5 to 18 % and 0.65 to 0.70, a shift by 10 cm 16 to 33 % and
# 0.45 to 0.59.
OUTSIDE = 0.20  # share of the body's silhouettes beside those of the scan
SHARED = 0.50  # intersection over union of the silhouettes, the mean of the views
# People are much alike from the front and from behind, so a turn is told by comparison: turned
# back, the body has next to nothing outside; a right fit that is turned has 13 % or more.
TURNS = (90, 180, 270)  # degrees about y
TURN_GAIN = 0.5  # outside after a turn, relative to before, that shows a fit to be turned …
TURN_FLOOR = 0.08  # … if there was that much outside
SIDES = 4  # views of the silhouettes: front, left, back, right
BODY_STEP = 4  # every fourth vertex of the body


@dataclass(frozen=True)
class FitQuality:
    """How far the body of a fit is from its scan."""

    median: float  # meters
    percentile_95: float  # meters
    height_ratio: float
    shared: float  # intersection over union of the silhouettes
    outside: float  # share of the body's silhouettes that the scan's do not cover
    turned: int  # degrees about y by which the body would overlap much better, else 0


def fit_quality(mesh: ObjMesh, scan: CanonicalScan) -> FitQuality:
    """Distances from body vertices to the scan's surface and the ratio of heights, in the size of
    the person, and the overlap of the silhouettes from SIDES sides."""
    from scipy.spatial import cKDTree

    meter = float(scan.body.nu_per_metre)
    body = scan.body.vertices.double().numpy()
    surface = scan.apply(spread_points(mesh.vertices, mesh.faces))
    distances, _ = cKDTree(surface).query(body[::BODY_STEP])
    heights = [np.ptp(points[:, 1]) for points in (scan.apply(mesh.vertices), body)]
    rig = small(orbit(SIDES))
    covered = silhouettes(surface, rig)
    points = spread_points(body, scan.faces)
    bare = silhouettes(points, rig)
    beside = outside(bare, covered)
    return FitQuality(
        float(np.median(distances)) / meter,
        float(np.percentile(distances, 95)) / meter,
        float(heights[0] / heights[1]),
        shared(covered, bare),
        beside,
        _turn(points, covered, beside, rig),
    )


def _turn(points: np.ndarray, covered: np.ndarray, beside: float, rig: Cameras) -> int:
    """The turn of TURNS that brings a body's points [N, 3] inside the silhouettes [V, H, W] of its
    scan, else 0."""
    if beside < TURN_FLOOR:
        return 0
    best, degrees = min(
        (outside(silhouettes(points @ _about_y(d).T, rig), covered), d) for d in TURNS
    )
    return degrees if best < TURN_GAIN * beside else 0


def _about_y(degrees: float) -> np.ndarray:
    return rotation_matrix(np.array([0.0, np.radians(degrees), 0.0]))


def check_fit(mesh: ObjMesh, scan: CanonicalScan, path: str | Path) -> FitQuality:
    """`fit_quality`, or one ScanError that names the fit's file `path` when its scale or alignment
    is off."""
    quality = fit_quality(mesh, scan)
    if not HEIGHT[0] <= quality.height_ratio <= HEIGHT[1]:
        raise ScanError(
            f"{path}: the scan is {quality.height_ratio:.2f} times as tall as the body of the "
            f"fit, expected {HEIGHT[0]} to {HEIGHT[1]}; the scale is wrong or it is the fit of "
            "another scan"
        )
    if quality.turned:
        raise ScanError(
            f"{path}: turned by {quality.turned} degrees the body of the fit would lie inside the "
            "scan; its global_orient is wrong, or its frame is not that of the scan"
        )
    if quality.median > MEDIAN or quality.percentile_95 > PERCENTILE_95:
        raise ScanError(
            f"{path}: the body of the fit is {100 * quality.median:.0f} cm (median; 95%: "
            f"{100 * quality.percentile_95:.0f} cm) away from the scan, expected under "
            f"{100 * MEDIAN:.0f} ({100 * PERCENTILE_95:.0f}); the fit is out of place or belongs "
            "to another scan"
        )
    _check_overlap(quality.shared, quality.outside, path, "scan")
    return quality


def check_views(
    masks: np.ndarray, cameras: Cameras, vertices: Tensor, faces: np.ndarray, path: str | Path
) -> None:
    """Check that the views of a person show the body, vertices [P, 3], that comes with them.

    `masks` [V, H, W] bool are the silhouettes in the views of cameras [V]; `path` names the files
    in the ScanError.
    """
    bare = silhouettes(spread_points(vertices.double().numpy(), faces), cameras)
    _check_overlap(shared(masks, bare), outside(bare, masks), path, "person in the views")


def _check_overlap(common: float, beside: float, path: str | Path, what: str) -> None:
    if common < SHARED or beside > OUTSIDE:
        raise ScanError(
            f"{path}: the silhouettes of the body and of the {what} share {common:.2f}, expected "
            f"{SHARED} or more, and {beside:.0%} of the body is beside it, expected {OUTSIDE:.0%} "
            "at most; the fit is out of place, turned, or belongs to another scan"
        )
