"""Parameters that gain and lose rows: moments of rows that go on are those of an optimizer that was
never rebuilt, and a killed training ends with the bytes of an undisturbed one."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from hgm.core.processes import Deadline
from hgm.errors import SliceEnded
from hgm.train.distributed import launch
from hgm.train.growth import NEW, carried
from hgm.train.loop import fit
from hgm.train.settings import Optimization, Optimizer, Schedule

CONSTANT = Schedule(name="constant")


class Cloud(nn.Module):
    """Points that move to targets. Before the rows of `drops` it loses a row, before those of
    `births` it gains one."""

    def __init__(self, rows: int = 4, births: tuple[int, ...] = (), drops: tuple[int, ...] = ()):
        super().__init__()
        start = torch.arange(3.0 * rows).reshape(rows, 3)
        self.points = nn.Parameter(start)
        self.scale = nn.Parameter(torch.ones(1))
        self.births, self.drops = births, drops

    def loss(self, step: int, generator: torch.Generator, part: slice):
        """Of each point by itself, so that another one does not change its gradients."""
        return (self.points - 7).square().sum() + self.scale.square().sum(), {}

    def evolve(self, step: int, generator: torch.Generator):
        rows = torch.arange(len(self.points))
        if step in self.drops:
            rows = rows[1:]
        if step in self.births:
            rows = torch.cat([rows, torch.tensor([NEW])])
        if len(rows) == len(self.points):
            return {}
        born = torch.rand(len(rows), 3, generator=generator)
        self.points = nn.Parameter(carried(self.points.data, rows, born))
        return {"points": rows}


def train(cloud: Cloud, state: Path, steps: int = 8, **more):
    more.setdefault("schedule", CONSTANT)
    pace = Optimization(
        steps=steps,
        lr=0.1,
        clip=1e9,
        ema=more.pop("ema", 0.0),
        accumulate=more.pop("accumulate", 1),
    )
    return fit(cloud, cloud.loss, pace, stage="grow", seed=1, state=state, **more)


def moments(state: Path) -> dict[str, torch.Tensor]:
    saved = torch.load(state / "state.pt", weights_only=True)["optimizer"]["state"]
    [points] = [value for value in saved.values() if value["exp_avg"].dim() == 2]
    return points


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_rows_that_go_on_are_as_if_nothing_had_been_rebuilt(tmp_path, name):
    optimizer = Optimizer(name=name)
    calm = Cloud()
    train(calm, tmp_path / "calm", optimizer=optimizer)
    grown = Cloud(births=(3, 5), drops=(4,))
    train(grown, tmp_path / "grown", optimizer=optimizer)
    assert len(grown.points) == 5
    # vector and scalar instructions round differently, and which row gets which has moved
    close = partial(torch.testing.assert_close, rtol=1e-6, atol=0)
    close(grown.points[:3], calm.points[1:])
    before, after = moments(tmp_path / "calm"), moments(tmp_path / "grown")
    for key in ("exp_avg", "exp_avg_sq"):
        close(after[key][:3], before[key][1:])
    assert after["step"] == before["step"] == 8


def test_moments_of_new_rows_begin_at_nothing(tmp_path):
    cloud = Cloud(births=(8,))
    train(cloud, tmp_path)
    found = moments(tmp_path)
    assert len(found["exp_avg"]) == 5
    assert not found["exp_avg"][4].any() and not found["exp_avg_sq"][4].any()
    assert found["exp_avg"][:4].all()


def test_the_average_of_a_new_row_begins_at_its_value(tmp_path):
    cloud = Cloud(births=(8,))
    train(cloud, tmp_path, ema=0.9)
    born = torch.load(tmp_path / "state.pt", weights_only=True)["module"]["points"][4]
    torch.testing.assert_close(cloud.points[4].detach(), born, rtol=0, atol=0)
    calm = Cloud()
    train(calm, tmp_path / "calm", ema=0.9)
    torch.testing.assert_close(cloud.points[:4], calm.points, rtol=1e-6, atol=0)


@pytest.mark.parametrize("stop", range(1, 8))
def test_stopped_at_any_step_it_ends_with_the_same_bytes(tmp_path, stop):
    def cloud() -> Cloud:
        return Cloud(births=(2, 3, 6), drops=(4,))

    calm = cloud()
    train(calm, tmp_path / "calm", ema=0.5)
    seen = 0

    class Soon(Deadline):
        def passed(self, reserve: float = 0.0) -> bool:
            nonlocal seen
            seen += 1
            return seen == stop

    with pytest.raises(SliceEnded):
        train(cloud(), tmp_path / "cut", ema=0.5, deadline=Soon(None))
    again = cloud()
    train(again, tmp_path / "cut", ema=0.5)
    assert again.points.shape == (6, 3)
    names = ("calm", "cut")
    first, second = (torch.load(tmp_path / n / "state.pt", weights_only=True) for n in names)
    assert torch.equal(again.points, calm.points) and first["history"] == second["history"]
    for key in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(*(moments(tmp_path / n)[key] for n in names))


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_growth import Cloud, train
import test_growth, torch
from pathlib import Path
torch.set_num_threads(1)
cloud = Cloud(births=(2, 3, 6, 20), drops=(4, 30))
slow = cloud.loss
def loss(*given):
    time.sleep(0.02)
    return slow(*given)
cloud.loss = loss
train(cloud, Path(sys.argv[1]), steps=40, save_seconds=0.02)
"""


def test_killed_in_the_middle_it_ends_with_the_same_bytes(tmp_path):
    def start(name: str) -> subprocess.Popen:
        place = str(Path(__file__).parent)
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / name), place])

    assert start("calm").wait() == 0
    killed = start("killed")
    while not (tmp_path / "killed/state.pt").exists():
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    assert start("killed").wait() == 0
    found = [torch.load(tmp_path / n / "state.pt", weights_only=True) for n in ("calm", "killed")]
    assert torch.equal(*(f["module"]["points"] for f in found))
    assert len(found[0]["module"]["points"]) == 6


def grow_in_ranks(ranks, state: Path) -> None:
    train(Cloud(births=(2, 3), drops=(4,)), state, ranks=ranks, accumulate=2)


def test_processes_that_share_a_step_grow_alike(tmp_path):
    alone = Cloud(births=(2, 3), drops=(4,))
    train(alone, tmp_path / "alone", accumulate=2)
    launch(2, "cpu", grow_in_ranks, tmp_path / "two")
    found = torch.load(tmp_path / "two/state.pt", weights_only=True)["module"]["points"]
    torch.testing.assert_close(found, alone.points.detach())


class Counted(Cloud):
    """Its buffer grows with the points, and the optimizer begins anew before the step `anew`."""

    def __init__(self, anew: int = 0) -> None:
        super().__init__(births=(3,))
        self.anew = anew
        self.register_buffer("seen", torch.zeros(4))

    def loss(self, step: int, generator: torch.Generator, part: slice):
        self.seen = self.seen + self.points.detach().sum(1)
        return super().loss(step, generator, part)

    def evolve(self, step: int, generator: torch.Generator):
        kept = super().evolve(step, generator)
        if kept:
            self.seen = torch.cat([self.seen, torch.zeros(1)])
        if step == self.anew:
            return {name: torch.full((len(p),), NEW) for name, p in self.named_parameters()}
        return kept


def test_a_buffer_that_grew_survives_a_stop(tmp_path):
    calm, cut = Counted(), Counted()
    train(calm, tmp_path / "calm")

    class Fifth(Deadline):
        calls = 0

        def passed(self, reserve: float = 0.0) -> bool:
            self.calls += 1
            return self.calls == 5

    with pytest.raises(SliceEnded):
        train(cut, tmp_path / "cut", deadline=Fifth(None))
    again = Counted()
    train(again, tmp_path / "cut")
    assert len(again.seen) == 5 and torch.equal(again.seen, calm.seen)


def test_without_rows_that_go_on_the_optimizer_begins_anew(tmp_path):
    cloud = Counted(anew=5)
    train(cloud, tmp_path, steps=8, optimizer=Optimizer(name="adam"))
    states = torch.load(tmp_path / "state.pt", weights_only=True)["optimizer"]["state"].values()
    assert [float(s["step"]) for s in states] == [3.0, 3.0]
