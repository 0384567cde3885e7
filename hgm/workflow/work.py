"""The work of a job: operations and bytes of what runs on the device, seconds of a core for the
rest."""

from __future__ import annotations

from dataclasses import dataclass, fields

from hgm.workflow.cards import HOST, LINK, Card, Range, assumed


@dataclass(frozen=True)
class Work:
    """What a job does. FLOPs count a multiplication and an addition as two."""

    host: float = 0.0  # seconds of one core, wherever the networks run
    networks: float = 0.0  # FLOPs in the networks' precision
    single: float = 0.0  # FLOPs in float32
    memory: float = 0.0  # bytes that layers and optimizers move
    splats: float = 0.0  # bytes that splatting has to move
    link: float = 0.0  # bytes between cards
    calls: float = 0.0  # passes of a network or a renderer

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: float) -> Work:
        return Work(*(count * getattr(self, f.name) for f in fields(self)))

    def seconds(self, card: Card, precision: str) -> Range:
        """Seconds that the work takes on a card; `precision` is that of the networks, "fp32" or
        "bf16"."""
        by = assumed(card)
        peak = card.bf16 if precision == "bf16" else card.tf32

        def at(i: int) -> float:
            return (
                self.host * HOST[i]
                + self.networks / peak / by.networks[i]
                + self.single / card.tf32 / by.networks[i]
                + self.memory / card.memory / by.memory[i]
                + self.splats / card.memory / by.splats[i]
                + self.link / card.link / LINK
                + self.calls * by.call[i]
            )

        return Range(at(0), at(1), at(2))


NUMBER = 4  # bytes of a float32
# numbers of one element
GAUSSIAN = 14  # mean, scales, quaternion, opacity, color
SPLAT = 10  # mean, conic, opacity, color, depth
PIXEL = 5  # color, alpha, depth
# passes over the parameters: weight, gradient and two moments are read, all but the gradient
# written
ADAM_PASSES = 7


def splatting_bytes(
    sets: int, count: int, views: int, size: int, *, backward: bool = False
) -> float:
    """Bytes that splatting has to move at least: Gaussians in, a projected splat in every view
    written and read, pixels out.

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
