"""The course of a training: how many points, frames and pixels of radius each epoch has, and the
steps that follow. Without torch, since plans and the work of a run are counted from it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from hgm.systems.monogaussian.settings import Avatar


@dataclass(frozen=True)
class Epoch:
    """One pass over all training frames."""

    index: int  # from 0
    points: int
    radius: float  # head units
    batch: int  # frames in a step; the last step of the epoch has what is left
    first: int  # step with which it begins, from 0
    steps: int


@dataclass(frozen=True)
class Course:
    """The epochs of a training on so many frames.

    A step has min(batch_points / points, batch) frames, so that it costs about the same with few
    points as with many. The number of points never falls: a band that asks for fewer than there
    are leaves their number as it is.
    """

    avatar: Avatar
    frames: int

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """In their order."""
        return tuple(self._epochs())

    def _epochs(self) -> Iterator[Epoch]:
        settings = self.avatar
        starts = [self.epoch_at(band.start) for band in settings.bands]
        points = 0
        first = 0
        for index in range(settings.epochs):
            band = settings.bands[bisect_right(starts, index) - 1]
            points = max(points, band.points)
            batch = max(1, min(settings.batch_points // points, settings.batch, self.frames))
            steps = -(-self.frames // batch)
            yield Epoch(index, points, band.radius, batch, first, steps)
            first += steps

    @property
    def steps(self) -> int:
        """Of the whole training."""
        last = self.epochs[-1]
        return last.first + last.steps

    @cached_property
    def _firsts(self) -> list[int]:
        return [epoch.first for epoch in self.epochs]

    def epoch_of(self, step: int) -> Epoch:
        """The epoch to which a step, counted from 0, belongs."""
        return self.epochs[bisect_right(self._firsts, step) - 1]

    def batch(self, step: int) -> int:
        """The frames of a step."""
        epoch = self.epoch_of(step)
        return min(epoch.batch, self.frames - (step - epoch.first) * epoch.batch)

    def epoch_at(self, share: float) -> int:
        """The epoch that begins after a share of the training."""
        return round(share * self.avatar.epochs)

    def step_at(self, share: float) -> int:
        """The step with which that epoch begins; the number of steps at the end."""
        epoch = self.epoch_at(share)
        return self.steps if epoch >= len(self.epochs) else self.epochs[epoch].first
