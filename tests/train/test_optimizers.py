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
