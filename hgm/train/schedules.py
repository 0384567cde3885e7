"""Courses of the learning rate by name, as what the peak rate is multiplied with at each step."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable

from hgm.train.settings import Schedule

START = 1 / 25  # of one cycle: the rate at its start, as a share of the peak (torch's div_factor)
END = START / 1e4  # … and at its end (torch's final_div_factor)


def factor_of(schedule: Schedule, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate at a step, counted from 0, of a training of `steps` steps.

    `onecycle` is cosine up and down, its peak at warmup * horizon; the others are torch's own:
    `onecycle_linear` OneCycleLR with anneal_strategy="linear", `cosine` CosineAnnealingLR with
    eta_min = floor * rate, `milestones` MultiStepLR. Beyond the horizon the last value stays.
    """
    horizon = schedule.horizon or steps
    match schedule.name:
        case "constant":
            return lambda step: 1.0
        case "onecycle":
            return _onecycle(horizon, schedule.warmup)
        case "onecycle_linear":
            return _onecycle_linear(horizon, schedule.warmup)
        case "cosine":
            floor = schedule.floor
            return lambda step: _half_cosine(1.0, floor, step / horizon)
        case "milestones":
            marks = sorted(schedule.milestones)
            return lambda step: schedule.factor ** bisect_right(marks, step)


def _onecycle(horizon: int, warmup: float) -> Callable[[int], float]:
    up = max(warmup * horizon, 1.0)

    def factor(step: int) -> float:
        if step < up:
            return _half_cosine(START, 1.0, step / up)
        return _half_cosine(1.0, END, (step - up) / max(horizon - up, 1.0))

    return factor


def _onecycle_linear(horizon: int, warmup: float) -> Callable[[int], float]:
    peak = warmup * horizon - 1  # the step with the whole rate, which torch counts from 0
    last = horizon - 1

    def factor(step: int) -> float:
        if step < peak:
            return START + (1.0 - START) * step / peak
        return 1.0 + (END - 1.0) * min((step - peak) / (last - peak), 1.0)

    return factor


def _half_cosine(a: float, b: float, t: float) -> float:
    """From a at time 0 to b at time 1, and b from then on."""
    return b + (a - b) / 2 * (1 + math.cos(math.pi * min(max(t, 0.0), 1.0)))
