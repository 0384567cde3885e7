"""Each course of the learning rate against torch's own."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR

from hgm.train.schedules import factor_of
from hgm.train.settings import Schedule

PEAK = 0.01


def torchs(make, steps: int) -> list[float]:
    """The rates of a scheduler of torch as shares of PEAK."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=PEAK)
    schedule = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0] / PEAK)
        optimizer.step()
        schedule.step()
    return rates


def ours(schedule: Schedule, steps: int, count: int | None = None) -> list[float]:
    factor = factor_of(schedule, steps)
    return [factor(step) for step in range(count or steps)]


@pytest.mark.parametrize(("steps", "warmup"), [(50, 0.2), (333, 0.05), (100, 0.01)])
def test_one_cycle_with_straight_lines(steps, warmup):
    """GPS-Gaussian's: the course is drawn over 100 steps more than are done."""
    schedule = Schedule(name="onecycle_linear", warmup=warmup, horizon=steps + 100)
    expected = torchs(
        lambda o: OneCycleLR(
            o, PEAK, total_steps=steps + 100, pct_start=warmup, anneal_strategy="linear"
        ),
        steps,
    )
    assert ours(schedule, steps) == pytest.approx(expected, rel=1e-9)
    whole = Schedule(name="onecycle_linear", warmup=warmup)
    assert factor_of(whole, steps)(10 * steps) == pytest.approx(1 / 25e4)


def test_one_cycle_has_its_peak_where_the_share_says():
    """Torch's is one step earlier, and that is the whole difference."""
    schedule = Schedule(name="onecycle", warmup=0.2)
    expected = torchs(lambda o: OneCycleLR(o, PEAK, total_steps=51, pct_start=11 / 51), 50)
    assert ours(schedule, 50) == pytest.approx(expected, rel=0.02, abs=1e-4)
    assert factor_of(schedule, 50)(10) == 1.0


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_to_a_floor(floor):
    expected = torchs(lambda o: CosineAnnealingLR(o, 40, eta_min=floor * PEAK), 40)
    assert ours(Schedule(name="cosine", floor=floor), 40) == pytest.approx(expected, rel=1e-9)
    later = ours(Schedule(name="cosine", floor=floor, horizon=40), 60, 60)[40:]
    assert later == pytest.approx([floor] * 20)


def test_milestones():
    expected = torchs(lambda o: MultiStepLR(o, [30, 7], gamma=0.3), 40)
    schedule = Schedule(name="milestones", milestones=[30, 7], factor=0.3)
    assert ours(schedule, 40) == pytest.approx(expected, rel=1e-9)


def test_constant():
    assert set(ours(Schedule(name="constant"), 9)) == {1.0}


@pytest.mark.parametrize("wrong", [{"name": "magic"}, {"warmup": 0.0}, {"milestones": [0]}])
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(ValidationError):
        Schedule(**wrong)
