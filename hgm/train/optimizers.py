"""Optimizers by name, with groups of parameters that have rates of their own."""

from __future__ import annotations

from fnmatch import fnmatchcase

import torch
from torch import nn

from hgm.errors import InputError
from hgm.train.settings import Optimization, Optimizer

KINDS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def make_optimizer(
    module: nn.Module, optimization: Optimization, optimizer: Optimizer
) -> torch.optim.Optimizer:
    """The optimizer of a module's parameters that require gradients, in their order.

    Parameters whose names fit a pattern of `optimizer.rates` (`*` and `?`, the first pattern that
    fits) are a group with that peak rate, the others one with `optimization.lr`. Raises InputError
    for a pattern that fits no parameter.
    """
    groups: dict[str | None, list[nn.Parameter]] = {None: []}
    groups |= {pattern: [] for pattern in optimizer.rates}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fitting = (pattern for pattern in optimizer.rates if fnmatchcase(name, pattern))
            groups[next(fitting, None)].append(parameter)
    for pattern in optimizer.rates:
        if not groups[pattern]:
            raise InputError(
                f"rates: {pattern!r} fits no parameter, or others before it fit all of them; "
                "expected a pattern of parameters' names"
            )
    return KINDS[optimizer.name](
        [
            {
                "params": parameters,
                "lr": optimization.lr if pattern is None else optimizer.rates[pattern],
            }
            for pattern, parameters in groups.items()
            if parameters
        ],
        lr=optimization.lr,
        betas=optimizer.betas,
        eps=optimizer.eps,
        weight_decay=optimization.weight_decay,
        fused=True,
    )
