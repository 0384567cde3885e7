"""How far a number of photos is: which one is in which stage, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from hgm.core.progress import Progress

T = TypeVar("T")


class TimeLeft:
    """Measures how long the stages of photos take, and predicts the time left."""

    def __init__(self, stages: Sequence[str], photos: int) -> None:
        self.stages = stages
        self.photos = photos
        self.took: dict[str, list[float]] = {stage: [] for stage in stages}
        self.now: tuple[str, float] | None = None  # the current stage and when it began

    def begin(self, stage: str, photos_done: int) -> float | None:
        """A stage of the next photo begins. Returns the seconds until all photos are done, None
        until every stage has been measured once."""
        self.end()
        self.now = stage, time.perf_counter()
        if not all(self.took.values()):
            return None
        mean = {name: sum(times) / len(times) for name, times in self.took.items()}
        ahead = sum(mean[name] for name in self.stages[self.stages.index(stage) :])
        return ahead + (self.photos - photos_done - 1) * sum(mean.values())

    @property
    def seconds(self) -> dict[str, float]:
        """What each stage took, over all photos; without stages that never began."""
        return {stage: sum(times) for stage, times in self.took.items() if times}

    def end(self) -> None:
        """The current stage has ended."""
        if self.now is not None:
            stage, begun = self.now
            self.took[stage].append(time.perf_counter() - begun)
            self.now = None


class PhotoProgress(Progress):
    """Shows which photo is in which stage, and the time left by how long the stages take."""

    def __init__(self, stages: Sequence[str], photos: int) -> None:
        super().__init__("reconstruct", photos * len(stages))
        self.stages = stages
        self.time_left = TimeLeft(stages, photos)
        self.photos_done = 0
        self.photo = ""

    def each(self, items: Iterable[T], note: Callable[[T], str] = lambda item: "") -> Iterator[T]:
        """The photos as they are worked on, as many steps each as there are stages."""
        for i, item in enumerate(items):
            self.photos_done = i
            self.photo = note(item)
            yield item
            self.time_left.end()
            self.update((i + 1) * len(self.stages), self.photo)

    def begin(self, stage: str) -> None:
        """A stage of the current photo begins."""
        left = self.time_left.begin(stage, self.photos_done)
        step = self.photos_done * len(self.stages) + self.stages.index(stage)
        self.update(step, f"{self.photo}: {stage}", left)
