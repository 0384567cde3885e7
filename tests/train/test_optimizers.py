"""Optimizers by name: their steps are torch's, groups of parameters have their own rates."""

import pytest
import torch
from torch import nn

from hgm.errors import InputError
from hgm.train.optimizers import make_optimizer
from hgm.train.settings import Optimization, Optimizer

PACE = Optimization(steps=5, lr=0.01, weight_decay=0.1)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def stepped(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    for seed in range(3):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_steps_are_torchs(name):
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[name]
    one, two = net(), net()
    constants = {"betas": (0.8, 0.95), "eps": 1e-3}
    ours = stepped(one, make_optimizer(one, PACE, Optimizer(name=name, **constants)))
    theirs = stepped(two, kind(two.parameters(), lr=0.01, weight_decay=0.1, **constants))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_pattern_of_names_has_a_rate_of_its_own():
    module = net()
    module[0].bias.requires_grad_(False)
    optimizer = make_optimizer(module, PACE, Optimizer(rates={"1.b*": 0.5, "1.*": 0.2}))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: rates.get(id(p)) for name, p in module.named_parameters()}
    assert found == {"0.weight": 0.01, "0.bias": None, "1.weight": 0.2, "1.bias": 0.5}


@pytest.mark.parametrize("rates", [{"points": 0.1}, {"*": 0.1, "0.bias": 0.2}])
def test_a_pattern_that_fits_nothing_is_named(rates):
    with pytest.raises(InputError, match=repr(list(rates)[-1])):
        make_optimizer(net(), PACE, Optimizer(rates=rates))


class Frames(nn.Module):
    """A table with a row for each frame, and a network that all frames share."""

    def __init__(self, sparse: bool = False) -> None:
        super().__init__()
        start = torch.arange(12.0).reshape(6, 2) / 10
        self.table = nn.Embedding.from_pretrained(start, freeze=False, sparse=sparse)
        self.shared = nn.Parameter(torch.ones(2))

    def loss(self, frames: list[int]) -> torch.Tensor:
        return ((self.table(torch.tensor(frames)) - self.shared) ** 3).sum()


def test_sparse_rows_step_as_torchs_sparse_adam_does():
    steps = [[0, 2], [2, 5], [1, 2], [0, 5], [5]]
    ours, theirs = Frames(), Frames(sparse=True)
    pace = Optimization(steps=5, lr=0.01, weight_decay=0)
    optimizer = make_optimizer(
        ours, pace, Optimizer(name="adam", sparse=["table.*"], rates={"table.*": 0.05})
    )
    dense = torch.optim.Adam([theirs.shared], lr=0.01)
    sparse = torch.optim.SparseAdam(theirs.table.parameters(), lr=0.05)
    for i, frames in enumerate(steps):
        for module, steppers in ((ours, [optimizer]), (theirs, [dense, sparse])):
            before = module.table.weight.detach().clone()
            for stepper in steppers:
                stepper.zero_grad()
            module.loss(frames).backward()
            for stepper in steppers:
                stepper.step()
            moved = (module.table.weight != before).any(1).nonzero()[:, 0].tolist()
            assert moved == sorted(frames)
        torch.testing.assert_close(ours.table.weight, theirs.table.weight)
        torch.testing.assert_close(ours.shared, theirs.shared)
        if i == 2:  # what is saved goes on as if nothing had happened
            saved = optimizer.state_dict()
            optimizer = make_optimizer(
                ours, pace, Optimizer(name="adam", sparse=["table.*"], rates={"table.*": 0.05})
            )
            optimizer.load_state_dict(saved)


@pytest.mark.parametrize(
    ("optimizer", "pace", "match"),
    [
        (Optimizer(name="adam", sparse=["points"]), {"weight_decay": 0.0}, "'points'"),
        (Optimizer(name="adamw", sparse=["0.*"]), {"weight_decay": 0.0}, "only adam"),
        (Optimizer(name="adam", sparse=["0.*"]), {}, "without weight decay"),
    ],
)
def test_sparse_rows_are_for_adam_without_decay(optimizer, pace, match):
    with pytest.raises(InputError, match=match):
        make_optimizer(net(), Optimization(steps=1, lr=0.1, **pace), optimizer)
