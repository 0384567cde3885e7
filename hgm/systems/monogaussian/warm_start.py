"""The deformer's warm start: before any picture is seen, it learns to move places around the head
as their nearest vertices move.

The release begins with a deformer that moves nothing, and has a hundred thousand steps. In a
thousand, expressions come out as noise: they move the skin by less than a pixel, and pictures do
not say by how much before they are sharp.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hgm.core.processes import Deadline
from hgm.systems.monogaussian.deformer import Deformer
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions, SubjectHead
from hgm.train.loop import fit
from hgm.train.settings import Optimization, Optimizer, Schedule

SAMPLES = 500  # places in a step
SPREADS = (
    0.05,
    0.3,
)  # deviations of places from the surface, head units: of all but a fifth, and …
FAR = 0.2  # … of this share
RATE = 1e-3
REMEDY = "set avatar.warm_steps: 0, or look for shape_params that no person has,"
SKINNING = 10.0  # weight of the skinning weights beside directions, which are shares of their size
LEAST = 0.1  # a column of directions counts as at least so large a share of the largest
# head units from the root's part of the surface: where the body begins, which is the ghost's
BODY = (0.1, 0.3)


def wanted_at(places: Tensor, head: SubjectHead) -> Directions:
    """How places [N, 3] of canonical space should move: as their nearest vertex, but for those
    that are away from the neck's lower edge, where the body is, which stays."""
    index = head.nearest(places)
    found = head.directions.at(index)
    distance = (places - head.vertices[index]).norm(dim=1, keepdim=True)
    share = ((distance - BODY[0]) / (BODY[1] - BODY[0])).clamp(0, 1)
    ghost = found.weights[:, 1:2] * share * share * (3 - 2 * share)
    first = torch.eye(found.weights.shape[1], device=places.device)[0]
    weights = (1 - ghost) * found.weights + ghost * first
    return Directions(weights, found.pose_shapes, found.expressions)


def warm_start(
    deformer: Deformer,
    head: SubjectHead,
    settings: Avatar,
    state: Path,
    *,
    seed: int,
    deadline: Deadline | None = None,
) -> None:
    """Train in place; resumes from `state`."""
    device = head.vertices.device
    pose_sizes = _sizes(head.directions.pose_shapes)
    expression_sizes = _sizes(head.directions.expressions)

    def loss(step: int, generator: torch.Generator, _: slice) -> tuple[Tensor, dict[str, Tensor]]:
        index = torch.randint(len(head.vertices), (SAMPLES,), generator=generator)
        far = torch.rand(SAMPLES, 1, generator=generator) < FAR
        spread = torch.where(far, SPREADS[1], SPREADS[0])
        noise = spread * torch.randn(SAMPLES, 3, generator=generator)
        places = head.vertices[index.to(device)] + noise.to(device)
        offset, learned = deformer(places)
        wanted = wanted_at(places, head)
        parts = {
            "skinning": (learned.weights - wanted.weights).square().mean(),
            "pose": ((learned.pose_shapes - wanted.pose_shapes) / pose_sizes).square().mean(),
            "expression": ((learned.expressions - wanted.expressions) / expression_sizes)
            .square()
            .mean(),
            "offset": offset.square().mean(),
        }
        total = SKINNING * parts["skinning"] + parts["pose"] + parts["expression"] + parts["offset"]
        return total, parts

    fit(
        deformer,
        loss,
        Optimization(steps=settings.warm_steps, lr=RATE, weight_decay=0.0, clip=1e9),
        stage="warm_start",
        remedy=REMEDY,
        seed=seed,
        state=state,
        optimizer=Optimizer(name="adam"),
        schedule=Schedule(name="cosine"),
        deadline=deadline,
    )


def _sizes(directions: Tensor) -> Tensor:
    """The root mean square [K, 1] of each column of directions [V, K, 3]."""
    sizes = directions.square().mean((0, 2)).sqrt()[:, None]
    least = LEAST * sizes.max()
    return sizes.clamp(min=float(least) or 1.0)
