"""The saved state from which an interrupted training goes on, and how often it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hgm.core.files import atomic_write
from hgm.train.growth import Growing, reshape

SHARE = 0.02  # of a training's time that may go into writing its state
LONGEST = 600.0  # seconds to the first writing, which shows how fast the disk is
SPEED = 1e8  # bytes a second until then: a slow disk
SLOWER = 1.5  # the last writing of a slice may take so many times as long as the one before


class State:
    """The file `state.pt` of a training in a folder: its module, optimizer, schedule and, where
    there is one, the module's averaged copy."""

    def __init__(self, folder: Path, module: nn.Module, average: nn.Module | None = None) -> None:
        self.folder = folder
        self.path = folder / "state.pt"
        self.modules = {"module": module, **({} if average is None else {"average": average})}
        self.on_gpu = next(module.parameters()).device.type == "cuda"
        learned = sum(p.nbytes for p in module.parameters() if p.requires_grad)
        # Adam keeps two moments
        self.bytes = len(self.modules) * _bytes(module) + 2 * learned
        # For a GPU the file is mapped, since the processes of a training read it at the same time.
        self.saved: dict[str, Any] = (
            torch.load(self.path, map_location="cpu", weights_only=True, mmap=self.on_gpu)
            if self.path.exists()
            else {}
        )
        if self.saved and isinstance(module, Growing):
            for name, part in self.modules.items():
                reshape(part, self.saved[name])

    def load(self, optimizer: Optimizer, schedule: LRScheduler) -> dict[str, Any]:
        """Set all parts to what the file holds and return the rest of it; nothing without a file.
        The optimizer is made before, of the parameters in the shapes that they were saved with.
        What was read is let go."""
        saved, self.saved = self.saved, {}
        if not saved:
            return {}
        for name, part in self._parts(optimizer, schedule).items():
            part.load_state_dict(saved.pop(name))
        return dict(saved)

    def save(self, optimizer: Optimizer, schedule: LRScheduler, **rest: Any) -> None:
        """Write the state of all parts and `rest` (plain values) in place of the last one."""
        parts = self._parts(optimizer, schedule)
        with atomic_write(self.path) as file:
            torch.save({**{name: part.state_dict() for name, part in parts.items()}, **rest}, file)

    def _parts(self, optimizer: Optimizer, schedule: LRScheduler) -> dict[str, Any]:
        """In the order in which they are written."""
        return {
            "module": self.modules["module"],
            "optimizer": optimizer,
            "schedule": schedule,
            **{name: part for name, part in self.modules.items() if name != "module"},
        }


class Cadence:
    """When to write a state again: so seldom that writing takes at most SHARE of the time, but not
    before `shortest` seconds.

    A writing of w seconds is followed by w / SHARE seconds of training. Before the first one w is
    estimated from the state's size, and the wait is LONGEST at most.
    """

    def __init__(
        self, size: int, *, shortest: float = 30.0, clock: Callable[[], float] | None = None
    ) -> None:
        self.shortest = shortest
        self.clock = clock or time.monotonic
        self.seconds = size / SPEED  # that the next writing takes
        self.at = self.clock() + min(self._interval(), max(LONGEST, shortest))

    def _interval(self) -> float:
        return max(self.seconds / SHARE, self.shortest)

    def due(self) -> bool:
        """Whether it is time to write."""
        return self.clock() >= self.at

    @property
    def reserve(self) -> float:
        """Seconds that a slice has to keep for its last writing."""
        return SLOWER * self.seconds

    def write(self, save: Callable[[], None]) -> None:
        """Call `save` and measure its time."""
        begun = self.clock()
        save()
        ended = self.clock()
        self.seconds = ended - begun
        self.at = ended + self._interval()


def _bytes(module: nn.Module) -> int:
    return sum(x.nbytes for x in module.state_dict().values() if isinstance(x, Tensor))
