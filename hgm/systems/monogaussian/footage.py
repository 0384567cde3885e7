"""What an avatar is trained and measured on: frames of a subject, and how it is seen in them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.splat import render
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.tracking import world_shift


class Pictures(Protocol):
    """The pictures of a clip's frames, decoded on demand (`ClipPictures`)."""

    def image(self, frame: int) -> Tensor: ...  # uint8 [3, S, S], over white


@dataclass(frozen=True)
class Footage:
    """Frames of a subject: what a tracker said of them, and their pictures."""

    expression: Tensor  # [F, 50]
    pose: Tensor  # [F, 15]
    cameras: Cameras  # [F], head units
    pictures: Pictures

    @classmethod
    def of(cls, clip: Clip, pictures: Pictures, size: int) -> Footage:
        """Of a clip, or of several that are joined."""
        expression, pose = torch.from_numpy(clip.expression), torch.from_numpy(clip.pose)
        return cls(expression, pose, clip.cameras(size), pictures)

    def __len__(self) -> int:
        return len(self.pose)

    def images(self, frames: Tensor, device: torch.device) -> Tensor:
        """Pictures [B, 3, S, S] in 0-1 over white."""
        found = torch.stack([self.pictures.image(int(i)) for i in frames])
        return found.to(device).float() / 255


def rendered(gaussians: Gaussians, cameras: Cameras, shift: Tensor | None, backend: str) -> Tensor:
    """Pictures [B, 3, S, S] over white of B frames, each by its own camera [B], all in one call;
    shift [B, 3] is added to the cameras' translations."""
    if shift is not None:
        means = gaussians.means + world_shift(shift, cameras.world_to_camera)
        gaussians = dataclasses.replace(gaussians, means=means)
    return render(gaussians, cameras[:, None], backend=backend).rgb[:, 0]
