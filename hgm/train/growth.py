"""Parameters that gain and lose rows while they are trained, as point clouds do.

A module that grows has a method `evolve(step, generator)`: after `step` steps it may put parameters
of other numbers of rows in place of its own, and returns for each of them, by name, which rows of
the old one they go on from: int64 [new rows], an index of an old row, or NEW. A parameter of which
no row goes on is as new to the optimizer. Buffers may change their shapes too. The generator
depends on (seed, step) only, so that all processes of a training do the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

NEW = -1  # in place of the old row of a new one


@runtime_checkable
class Growing(Protocol):
    """A module whose parameters grow."""

    def evolve(self, step: int, generator: torch.Generator) -> Mapping[str, Tensor]: ...


def follow(
    optimizer: torch.optim.Optimizer,
    before: Mapping[str, nn.Parameter],
    module: nn.Module,
    kept: Mapping[str, Tensor],
) -> None:
    """Put the module's new parameters in the place of those that it had `before`, by name: the
    moments of a row that goes on stay with it, those of a new one are 0. Where no row goes on, the
    optimizer begins anew with the parameter, its count of steps included."""
    now = dict(module.named_parameters())
    swapped = {before[name]: now[name] for name in kept}
    for group in optimizer.param_groups:
        group["params"] = [swapped.get(p, p) for p in group["params"]]
    for name, rows in kept.items():
        state = optimizer.state.pop(before[name], None)
        if state and bool((rows != NEW).any()):
            optimizer.state[now[name]] = {
                key: carried(value, rows)
                if isinstance(value, Tensor) and value.shape == before[name].shape
                else value
                for key, value in state.items()
            }


def carried(values: Tensor, kept: Tensor, new: Tensor | None = None) -> Tensor:
    """Values [old rows, …] at the rows of the new parameter [new rows, …]; those of new rows are
    `new` [new rows, …], or 0."""
    kept = kept.to(values.device)
    found = values[kept.clamp(min=0)]
    fresh = (kept == NEW).reshape(-1, *[1] * (values.dim() - 1))
    return torch.where(fresh, torch.zeros_like(found) if new is None else new, found)


def follow_average(average: nn.Module, module: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Grow the averaged copy like the module: a new row's average begins at its value."""
    means, now = dict(average.named_parameters()), dict(module.named_parameters())
    for name, rows in kept.items():
        set_parameter(average, name, carried(means[name].data, rows, now[name].data))
        dict(average.named_parameters())[name].requires_grad_(False)


def set_parameter(module: nn.Module, name: str, value: Tensor) -> None:
    """Put a parameter with this value in the place of the one of this name."""
    place, _, last = name.rpartition(".")
    owner = module.get_submodule(place)
    setattr(owner, last, nn.Parameter(value, requires_grad=getattr(owner, last).requires_grad))


def reshape(module: nn.Module, saved: Mapping[str, Any]) -> None:
    """Give a growing module's parameters and buffers the shapes of saved tensors by name, so that
    these can be loaded; their values are left open."""
    for name, parameter in dict(module.named_parameters()).items():
        wanted = saved.get(name)
        if isinstance(wanted, Tensor) and wanted.shape != parameter.shape:
            set_parameter(module, name, parameter.new_empty(wanted.shape))
    for name, buffer in dict(module.named_buffers()).items():
        wanted = saved.get(name)
        if isinstance(wanted, Tensor) and wanted.shape != buffer.shape:
            place, _, last = name.rpartition(".")
            setattr(module.get_submodule(place), last, buffer.new_empty(wanted.shape))
