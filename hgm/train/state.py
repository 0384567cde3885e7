"""The saved state from which an interrupted training goes on, and how often it is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hgm.core.files import atomic_write

SHARE = 0.02  # of a training's time that may go into writing its state
LONGEST = 600.0  # seconds to the first writing, which shows how fast the disk is
SPEED = 1e8  # bytes a second until then: a slow disk
SLOWER = 1.5  # the last writing of a slice may take so many times as long as the one before


class State:
    """The file `state.pt` of a module, its optimizer, its schedule and, where there is one, its
    averaged copy."""

    def __init__(
        self,
        folder: Path,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        average: nn.Module | None = None,
    ) -> None:
        self.path = folder / "state.pt"
        self.parts: dict[str, Any] = {
            "module": module,
            "optimizer": optimizer,
            "schedule": schedule,
        }
        if average is not None:
            self.parts["average"] = average
        learned = sum(p.nbytes for p in module.parameters() if p.requires_grad)
        # Adam keeps two moments
        self.bytes = (1 + (average is not None)) * _bytes(module) + 2 * learned

    def load(self) -> dict[str, Any]:
        """Set all parts to what the file holds and return the rest of it; nothing without a file.

        What was read is let go. For a GPU the file is mapped, since the processes of a training
        read it at the same time.
        """
        if not self.path.exists():
            return {}
        on_gpu = next(self.parts["module"].parameters()).device.type == "cuda"
        saved = torch.load(self.path, map_location="cpu", weights_only=True, mmap=on_gpu)
        for name, part in self.parts.items():
            part.load_state_dict(saved.pop(name))
        return dict(saved)

    def save(self, **rest: Any) -> None:
        """Write the state of all parts and `rest` (plain values) in place of the last one."""
        with atomic_write(self.path) as file:
            torch.save(
                {**{name: part.state_dict() for name, part in self.parts.items()}, **rest}, file
            )


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
