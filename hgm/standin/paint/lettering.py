"""Words and numbers printed on clothes."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from hgm.standin.paint.patterns import mix

WORDS = (
    "HGM",
    "NOVA",
    "DELTA",
    "42",
    "ATLAS",
    "RUN",
    "K9",
    "ORBIT",
    "ZEBRA",
    "MINT",
    "ECHO",
    "LUMEN",
)
MARGIN = 20  # pixels around the letters


def print_image(number: bool, rng: np.random.Generator) -> np.ndarray:
    """A word or a large number as an image [H,W] of 0-1."""
    from PIL import Image, ImageDraw, ImageFont

    text = str(rng.integers(1, 99)) if number else WORDS[rng.integers(len(WORDS))]
    font = ImageFont.load_default(260 if number else 150)
    left, top, right, bottom = font.getbbox(text)
    size = (int(right - left) + 2 * MARGIN, int(bottom - top) + 2 * MARGIN)
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).text((MARGIN - left, MARGIN - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def stamped(
    color: np.ndarray,
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    width: float,
    ink: np.ndarray,
    where: np.ndarray,
) -> np.ndarray:
    """Print `image` [H,W] of this width (m) around (0,0) of the plane (x,y) [N] m, as far as
    `where` [N] allows."""
    rows, columns = image.shape
    pixel = width / columns
    at = [rows / 2 - y / pixel, columns / 2 + x / pixel]
    return mix(color, ink, map_coordinates(image, at, order=1, mode="constant", cval=0.0) * where)
