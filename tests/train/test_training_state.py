"""When a training's state is written, by a clock that is set by hand, and what a resumed training
still holds of it."""

import gc
import itertools
import weakref

import pytest
import torch
from torch import nn

from hgm.core.processes import Deadline
from hgm.errors import SliceEnded
from hgm.train import loop
from hgm.train.loop import fit
from hgm.train.settings import Optimization
from hgm.train.state import LONGEST, SHARE, SPEED, Cadence, State


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hours(cadence: Cadence, clock: Clock, seconds: float, hours: float = 24.0) -> list[float]:
    """Train so long, a step a second, with a disk that takes `seconds` for a state; the times of
    the writings."""
    begun = clock.now
    written = []

    def save() -> None:
        written.append(clock.now - begun)
        clock.now += seconds

    while clock.now < begun + 3600 * hours:
        clock.now += 1.0
        if cadence.due():
            cadence.write(save)
    return written


@pytest.mark.parametrize("seconds", [0.1, 5.0, 40.0, 300.0])
def test_writing_takes_two_percent_of_the_time_at_most(seconds):
    clock = Clock()
    written = hours(Cadence(int(seconds * SPEED), clock=clock), clock, seconds)
    assert len(written) * seconds <= SHARE * 24 * 3600 + seconds
    apart = [b - a - seconds for a, b in itertools.pairwise(written)]
    wanted = max(30.0, seconds / SHARE)
    assert all(wanted - 1e-6 <= gap <= wanted + 1 for gap in apart)


def test_a_small_state_is_written_every_half_minute_and_a_large_one_within_ten_minutes_at_first():
    for size, first in ((1000, 30.0), (8_000_000_000, LONGEST)):
        clock = Clock()
        assert hours(Cadence(size, clock=clock), clock, 0.0, 1.0)[0] == pytest.approx(first, abs=1)


def test_a_disk_that_becomes_slow_is_written_to_less_often():
    clock = Clock()
    cadence = Cadence(1000, clock=clock)
    assert len(hours(cadence, clock, 0.2, 1.0)) > 100
    assert len(hours(cadence, clock, 20.0, 5.0)) < 20


def problem() -> tuple[nn.Module, object]:
    torch.manual_seed(0)
    net = nn.Linear(64, 64)
    return net, lambda step, generator, part: (
        net(torch.randn(4, 64, generator=generator)).square().mean(),
        {},
    )


def test_a_slice_ends_so_early_that_its_state_can_be_written(tmp_path, monkeypatch):
    """A state of 33 KB on a disk that takes 100 seconds for it, in a slice of 1000 seconds, a step
    a second."""
    clock = Clock()
    written = []
    monkeypatch.setattr("time.monotonic", clock)
    deadline = Deadline(1000.0)
    save = State.save

    def slow(self, *parts, **rest):
        written.append(clock.now)
        clock.now += 100.0
        save(self, *parts, **rest)

    monkeypatch.setattr(State, "save", slow)
    net, loss = problem()

    def steady(*arguments):
        clock.now += 1.0
        return loss(*arguments)

    with pytest.raises(SliceEnded):
        fit(
            net,
            steady,
            Optimization(steps=5000, lr=1e-3),
            stage="t",
            seed=0,
            state=tmp_path,
            deadline=deadline,
        )
    assert len(written) == 2 and clock.now <= 1000.0 + 1000.0
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == round(
        clock.now - 1000.0 - 200.0
    )


def test_an_unmeasured_disk_is_taken_for_a_slow_one(tmp_path):
    net, _ = problem()
    parameters = 64 * 65 * 4
    assert State(tmp_path, net).bytes == 3 * parameters
    assert State(tmp_path, net, nn.Linear(64, 64)).bytes == 4 * parameters
    assert Cadence(8_000_000_000).reserve > 60


def test_a_resumed_training_lets_go_of_what_it_read(tmp_path, monkeypatch):
    net, loss = problem()
    with pytest.raises(SliceEnded):
        fit(
            net,
            loss,
            Optimization(steps=3, lr=1e-3, ema=0.9),
            stage="t",
            seed=0,
            state=tmp_path,
            deadline=Deadline(0.0),
        )
    read = []
    load = torch.load

    def watched(*arguments, **names):
        found = load(*arguments, **names)
        read.extend(weakref.ref(found["module"][name]) for name in found["module"])
        return found

    monkeypatch.setattr(loop.torch, "load", watched)
    again, loss = problem()
    alive = []

    def looking(*arguments):
        gc.collect()
        alive.extend(x for x in read if x() is not None)
        return loss(*arguments)

    history = fit(
        again, looking, Optimization(steps=3, lr=1e-3, ema=0.9), stage="t", seed=0, state=tmp_path
    )
    assert len(history) == 3 and len(read) == 2 and not alive
