"""The deformer's warm start: before any picture is seen, it learns to move places around the head
as their nearest vertices move.

The release begins with a deformer that moves nothing. In a training of a thousand steps the
pictures are then explained by whatever moves first, and the expressions come too late.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hgm.core.processes import Deadline
from hgm.systems.monogaussian.deformer import Deformer
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import SubjectHead
from hgm.train.loop import fit
from hgm.train.settings import Optimization, Optimizer, Schedule

SAMPLES = 2000  # places in a step
SPREAD = 0.05  # deviation of places from the surface, head units
RATE = 2e-3  # the networks are small and see no pictures


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

    def loss(step: int, generator: torch.Generator, _: slice) -> tuple[Tensor, dict[str, Tensor]]:
        index = torch.randint(len(head.vertices), (SAMPLES,), generator=generator)
        noise = SPREAD * torch.randn(SAMPLES, 3, generator=generator)
        places = head.vertices[index.to(device)] + noise.to(device)
        offset, learned = deformer(places)
        wanted = head.directions.at(head.nearest(places))
        total = (
            10 * (learned.weights - wanted.weights).square().mean()
            + (10 * (learned.pose_shapes - wanted.pose_shapes)).square().mean()
            + (10 * (learned.expressions - wanted.expressions)).square().mean()
            + offset.square().mean()
        )
        return total, {}

    fit(
        deformer,
        loss,
        Optimization(steps=settings.warm_steps, lr=RATE, weight_decay=0.0, clip=1e9),
        stage="warm_start",
        seed=seed,
        state=state,
        optimizer=Optimizer(name="adam"),
        schedule=Schedule(name="cosine"),
        deadline=deadline,
    )
