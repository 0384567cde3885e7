"""Bytes that work has to move whoever does it; without torch, since plans count them too."""

from __future__ import annotations

NUMBER = 4  # bytes
# numbers: of a Gaussian; mean, conic, opacity, color, depth; color, alpha, depth
GAUSSIAN = 14
SPLAT = 10
PIXEL = 5
# over the parameters: weight, gradient and two moments read, all but the gradient written
ADAM_PASSES = 7


def splatting_bytes(
    sets: int, count: int, views: int, size: int, *, backward: bool = False
) -> float:
    """What splatting has to move: Gaussians in, a projected splat in every view written and read,
    pixels out.

    Backward: splats read and their gradients written and read, pixels and their gradients read,
    Gaussians read and their gradients written. The lists of splats of each tile, which differ
    between renderers, are left out.
    """
    gaussians = sets * count * GAUSSIAN
    splats = sets * views * count * SPLAT
    pixels = sets * views * size**2 * PIXEL
    numbers = gaussians + 2 * splats + pixels
    if backward:
        numbers += 2 * gaussians + 3 * splats + 2 * pixels
    return float(NUMBER * numbers)
