"""What every training by `hgm.train.loop.fit` is told; each network's section adds its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import Count, Section, described

Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Optimization(Section):
    """How long and how fast the optimizer works."""

    steps: int = described(..., "optimizer steps", ge=1)
    lr: float = described(..., "peak learning rate", gt=0)
    weight_decay: float = described(0.05, "AdamW weight decay", ge=0)
    clip: float = described(1.0, "largest gradient norm", gt=0)
    accumulate: int = described(1, "micro-batches in a step", ge=1)
    ema: float = described(0.0, "decay of the moving average of weights; 0: no average", ge=0, lt=1)


class Optimizer(Section):
    """Which optimizer, and its constants."""

    name: Literal["adamw", "adam"] = described(
        "adamw", "adam adds the weight decay to the gradient, adamw shrinks the weights"
    )
    betas: tuple[Decay, Decay] = described((0.9, 0.999), "decay of the two moments")
    eps: float = described(1e-8, "added to the root of the second moment", gt=0)
    rates: dict[str, Rate] = described(
        {}, "peak learning rates of parameters by a pattern of their names; the first one that fits"
    )
    sparse: list[str] = described(
        [],
        "patterns of parameters of which a step moves only those rows that have a gradient (adam)",
    )


class Schedule(Section):
    """How the learning rate changes over the steps (`hgm.train.schedules`)."""

    name: Literal["constant", "onecycle", "onecycle_linear", "cosine", "milestones"] = described(
        "onecycle", "shape of the learning rate's schedule"
    )
    warmup: float = described(0.02, "onecycle: share of the steps with a rising rate", gt=0, lt=1)
    floor: float = described(0.0, "cosine: share of the rate that is left at the end", ge=0, le=1)
    milestones: list[Count] = described([], "milestones: steps after which the rate is multiplied")
    factor: float = described(0.1, "milestones: by which it is multiplied", gt=0, le=1)
    horizon: int | None = described(
        None, "steps over which the course is drawn; null: those of the training", ge=1
    )
