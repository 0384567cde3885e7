"""What a step of a training sees: one picture of the capture, and the pose of the person in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.errors import InputError
from hgm.systems.animatable.frame_transforms import FrameTransforms

Shot = tuple[str, int]  # a camera and a frame


class Shown(Protocol):
    """A picture and its mask (`captures.capture.Picture`)."""

    @property
    def rgb(self) -> Tensor: ...  # uint8 [3, H, W]
    @property
    def alpha(self) -> Tensor: ...  # uint8 [1, H, W]


class Pictures(Protocol):
    """A capture (`captures.capture.Capture`); pictures are decoded on demand, on any thread."""

    @property
    def cameras(self) -> Mapping[str, Cameras]: ...  # unbatched, meters
    def has(self, camera: str, frame: int) -> bool: ...
    def picture(self, camera: str, frame: int) -> Shown: ...


@dataclass(frozen=True)
class TrainingSet:
    """The pictures that an avatar is trained on, and the body in their frames."""

    capture: Pictures
    shots: Sequence[Shot]
    frames: FrameTransforms

    @classmethod
    def of(cls, capture: Pictures, shots: Iterable[Shot], frames: FrameTransforms) -> TrainingSet:
        """Those of the shots that the capture has. Raises InputError where it has none."""
        found = [shot for shot in shots if capture.has(*shot)]
        if not found:
            raise InputError(
                "capture.train: none of these pictures is left to train on; see what the check of "
                "the capture set aside"
            )
        return cls(capture, found, frames)

    def __len__(self) -> int:
        return len(self.shots)

    def sample(self, index: int) -> Sample:
        """The shot of this index."""
        camera, frame = self.shots[index]
        shown = self.capture.picture(camera, frame)
        row = self.frames.index(frame)
        return Sample(
            shown.rgb,
            shown.alpha,
            self.capture.cameras[camera],
            self.frames.transforms[row],
            self.frames.poses[row],
        )


@dataclass(frozen=True)
class Sample:
    """One picture with its camera, and the joints' transforms in its frame."""

    rgb: Tensor  # uint8 [3, H, W]
    alpha: Tensor  # uint8 [1, H, W]
    camera: Cameras  # []
    transforms: Tensor  # [55, 4, 4] from the star pose into the world
    pose: Tensor  # [55, 4, 4] the same without the root and the fingers

    def to(self, device: torch.device | str) -> Sample:
        return Sample(
            self.rgb.to(device),
            self.alpha.to(device),
            self.camera.to(device),
            self.transforms.to(device),
            self.pose.to(device),
        )


def drawn(seed: int, stage: str, step: int, count: int) -> int:
    """Which of `count` things a step sees, by (seed, step) only. All take their turns in random
    order before one comes again."""
    turn = derived_seed(seed, stage, "order", step // count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(turn))
    return int(order[step % count])
