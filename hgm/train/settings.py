"""What every training by `hgm.train.loop.fit` is told; each network's section adds its own."""

from __future__ import annotations

from hgm.core.settings import Section, described


class Optimization(Section):
    """How long and how fast AdamW works."""

    steps: int = described(..., "optimizer steps", ge=1)
    lr: float = described(..., "peak learning rate", gt=0)
    weight_decay: float = described(0.05, "AdamW weight decay", ge=0)
    clip: float = described(1.0, "largest gradient norm", gt=0)
    accumulate: int = described(1, "micro-batches a step", ge=1)
    ema: float = described(0.0, "decay of averaged weights; 0 = none", ge=0, lt=1)
