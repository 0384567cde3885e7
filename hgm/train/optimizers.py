"""Optimizers by name, with groups of parameters that have rates of their own."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from hgm.errors import InputError
from hgm.train.settings import Optimization, Optimizer

KINDS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


class RowAdam(torch.optim.Adam):
    """Adam that, in groups with `sparse`, moves only the rows that have a gradient.

    Tables of numbers of single frames need that: torch's Adam would go on moving each row by the
    momentum of the last step that saw its frame. The arithmetic is that of torch.optim.SparseAdam,
    which takes sparse gradients and nothing else, so that it cannot share a step with networks.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; a parameter in a sparse group loses its gradient."""
        for group in self.param_groups:
            for parameter in group["params"] if group["sparse"] else ():
                if parameter.grad is not None:
                    self._move_rows(parameter, parameter.grad, group)
                    parameter.grad = None  # so that Adam passes it by
        return super().step(closure)

    def _move_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step = float(state["step"])
        first, second = group["betas"]
        rows = gradient.flatten(1).any(1).nonzero()[:, 0]
        seen = gradient[rows]
        mean = state["exp_avg"][rows].lerp(seen, 1 - first)
        square = state["exp_avg_sq"][rows].lerp(seen.square(), 1 - second)
        state["exp_avg"][rows] = mean
        state["exp_avg_sq"][rows] = square
        pace = group["lr"] * math.sqrt(1 - second**step) / (1 - first**step)
        parameter[rows] -= pace * mean / (square.sqrt() + group["eps"])


def make_optimizer(
    module: nn.Module, optimization: Optimization, optimizer: Optimizer
) -> torch.optim.Optimizer:
    """The optimizer of a module's parameters that require gradients, in their order.

    Parameters whose names fit a pattern of `optimizer.rates` (`*` and `?`, the first pattern that
    fits) are a group with that peak rate, the others one with `optimization.lr`; those that fit one
    of `optimizer.sparse` are groups of their own (`RowAdam`). Raises InputError for a pattern that
    fits no parameter.
    """
    patterns: list[str | None] = [None, *optimizer.rates]
    groups: dict[tuple[str | None, bool], list[nn.Parameter]] = {
        (pattern, sparse): [] for sparse in (False, True) for pattern in patterns
    }
    unused = set(optimizer.sparse)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            fitting = (pattern for pattern in optimizer.rates if fnmatchcase(name, pattern))
            by_rows = {pattern for pattern in optimizer.sparse if fnmatchcase(name, pattern)}
            unused -= by_rows
            groups[next(fitting, None), bool(by_rows)].append(parameter)
    for pattern in optimizer.rates:
        if not groups[pattern, False] and not groups[pattern, True]:
            raise InputError(
                f"rates: {pattern!r} fits no parameter, or others before it fit all of them; "
                "expected a pattern of parameters' names"
            )
    for pattern in sorted(unused):
        raise InputError(
            f"sparse: {pattern!r} fits no parameter; expected a pattern of parameters' names"
        )
    if optimizer.sparse and (optimizer.name != "adam" or optimization.weight_decay):
        raise InputError("sparse: only adam without weight decay moves single rows")
    return (RowAdam if optimizer.sparse else KINDS[optimizer.name])(
        [
            {
                "params": parameters,
                "lr": optimization.lr if pattern is None else optimizer.rates[pattern],
                **({"sparse": sparse} if optimizer.sparse else {}),
            }
            for (pattern, sparse), parameters in groups.items()
            if parameters
        ],
        lr=optimization.lr,
        betas=optimizer.betas,
        eps=optimizer.eps,
        weight_decay=optimization.weight_decay,
        fused=True,
    )
