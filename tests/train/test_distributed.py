"""Processes that share a step against one process that does all of it, in float64, where rounding
hides nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hgm.core.keys import derived_seed
from hgm.train.distributed import SINGLE, Ranks, launch
from hgm.train.loop import fit
from hgm.train.settings import Optimization

MICRO_BATCHES = 4


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16, momentum=0.3), nn.SiLU(), nn.Linear(16, 3)
    ).double()


def train(ranks: Ranks, state: Path, steps: int) -> None:
    """Trains a small network; the main process leaves weights, optimizer and history in `state`."""
    net = network()

    def loss(micro: int, _: torch.Generator, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(derived_seed("sample", micro))
        x = micro + torch.randn(8, 6, generator=generator, dtype=torch.float64)
        return (net(x) - x[:, :3].sin()).square().mean(), {"micro": torch.tensor(float(micro))}

    fit(
        net,
        loss,
        Optimization(steps=steps, lr=1e-3, accumulate=MICRO_BATCHES),
        stage="t",
        seed=0,
        state=state,
        ranks=ranks,
    )


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What one and two processes leave after a step."""
    folder = tmp_path_factory.mktemp("ranks")
    train(SINGLE, folder / "1", 1)
    launch(2, "cpu", train, folder / "2", 1)
    return [torch.load(folder / name / "state.pt", weights_only=True) for name in "12"]


def test_two_processes_see_each_micro_batch_once(one_and_two):
    one, two = (found["history"] for found in one_and_two)
    assert two[0]["micro"] == sum(range(MICRO_BATCHES)) / MICRO_BATCHES
    assert two == [pytest.approx(row, rel=1e-12) for row in one]


def test_the_gradients_of_a_step_are_those_of_one_process(one_and_two):
    """After its first step Adam's mean is a tenth of the gradient."""
    one, two = (
        torch.cat([s["exp_avg"].flatten() for s in found["optimizer"]["state"].values()])
        for found in one_and_two
    )
    assert one.dtype == torch.float64 and one.norm() > 0.01
    assert (one - two).norm() < 1e-12 * one.norm()


def test_running_statistics_are_those_of_one_process(one_and_two):
    """Each process sees half of the micro-batches, whose means differ: a plain mean of the
    processes would lag behind."""
    start = network().state_dict()
    for name in ("1.running_mean", "1.running_var"):
        one, two = (found["module"][name] for found in one_and_two)
        assert (one - start[name]).abs().max() > 0.1
        torch.testing.assert_close(two, one, rtol=1e-12, atol=1e-12)


def test_the_momentum_is_the_layers_own_again_after_a_step():
    net = network()
    with Ranks(0, 4).statistics(net):
        assert net[1].momentum == pytest.approx(1 - 0.7**4)
    assert net[1].momentum == 0.3
