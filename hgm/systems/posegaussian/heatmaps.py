"""Heat maps: where a person's 17 points of COCO are in a photo, as a picture that the network sees.

As the release makes them (spec 2.3): a filled disc for each point on one plane, three blurs,
min-max, false colors. 0 is dark blue there, not black.
"""

from __future__ import annotations

import numpy as np

from hgm.systems.posegaussian.settings import HeatMaps

SIZE = 1024  # of the pictures that radius and blur are given for
BLURS = 3


def heat_map(points: np.ndarray, size: int, settings: HeatMaps) -> np.ndarray:
    """Points [17, 2] in pixels (x, y; pixel i reaches from i to i + 1) -> uint8 [size, size, C]: 3
    colors, 1 plane, or one of each point, by the encoding. A point that is not finite, or whose
    disc is outside the picture, leaves no trace."""
    if settings.encoding == "coco17":
        return np.stack([_plane(point[None], size, settings) for point in points], -1)
    plane = _plane(points, size, settings)
    if settings.encoding == "gray1":
        return plane[..., None]
    import cv2

    return np.ascontiguousarray(cv2.applyColorMap(plane, cv2.COLORMAP_JET)[..., ::-1])  # from BGR


def _plane(points: np.ndarray, size: int, settings: HeatMaps) -> np.ndarray:
    """Discs around points [N, 2], blurred: uint8 [size, size], from the least value to 255."""
    import cv2

    plane = np.zeros((size, size), np.float32)
    radius = max(1, round(settings.radius * size / SIZE))
    for x, y in points[np.isfinite(points).all(1)].clip(-size, 2 * size):
        cv2.circle(plane, (int(np.floor(x)), int(np.floor(y))), radius, (1.0,), -1)
    width = nearest_odd(settings.blur * size / SIZE)
    for _ in range(BLURS):
        plane = cv2.GaussianBlur(plane, (width, width), 0).astype(np.float32)
    span = float(np.ptp(plane))
    scaled = (plane - plane.min()) / span if span > 0 else np.zeros_like(plane)
    return np.rint(255 * scaled).astype(np.uint8)


def nearest_odd(number: float) -> int:
    """The odd whole number that is nearest, 1 at least; the smaller of two."""
    return max(1, 2 * int(np.ceil(number / 2 - 1)) + 1)
