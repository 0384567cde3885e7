"""Clips of a head with FLAME's parameters in every frame.

Cameras are OpenCV's. The world is FLAME's, four times as large: its unit is a quarter of a meter.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.monogaussian.layout import PARAMETERS

log = logging.getLogger(__name__)
SHAPE, EXPRESSION, POSE, KEYPOINTS = 100, 50, 15, 70  # numbers of FLAME, and landmarks
SCALE = 4.0  # units of the clips' world in a meter
SAME = 1e-4  # by which the shapes of a subject's clips may differ
ARRAYS = (
    "focal",
    "center",
    "expression",
    "pose",
    "world_to_camera",
    "keypoints",
)  # of a clip, by frame


@dataclass(frozen=True, eq=False)
class Clip:
    """F frames of one subject. Arrays are float32; frames keep the order of their file.

    Pose: rotations of the head as a whole, neck, jaw, left and right eye, axis-angle in radians.
    """

    name: str
    shape: np.ndarray  # [100], of the subject
    names: tuple[str, ...]  # the whole numbers by which the frames' pictures are called
    folders: tuple[Path, ...]  # of each frame: that of its clip
    focal: np.ndarray  # [F, 2] fx and fy, as shares of the picture's width and height
    center: np.ndarray  # [F, 2] the principal point, likewise
    expression: np.ndarray  # [F, 50]
    pose: np.ndarray  # [F, 15]
    world_to_camera: np.ndarray  # [F, 4, 4] in OpenCV's axes
    keypoints: np.ndarray  # [F, 70, 2] landmarks in the picture, from -1 (left, top) to 1
    set_aside: Mapping[str, str] = dataclasses.field(default_factory=dict)  # frames: reasons

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.names)

    def __getitem__(self, frames: slice | Sequence[int] | np.ndarray) -> Clip:
        """Some of the frames, in the order given."""
        chosen = np.arange(len(self))[frames]
        return dataclasses.replace(
            self,
            names=tuple(self.names[i] for i in chosen),
            folders=tuple(self.folders[i] for i in chosen),
            **{name: getattr(self, name)[chosen] for name in ARRAYS},
        )

    @property
    def folder(self) -> Path:
        """The folder of the first frame."""
        return self.folders[0]

    def path(self, kind: str, frame: int) -> Path:
        """The picture of a frame: kind is image, mask or semantic."""
        return self.folders[frame] / kind / f"{self.names[frame]}.png"

    def cameras(self, size: int) -> Cameras:
        """The cameras [F], float32, of pictures of this width and height in pixels."""
        return cameras_of(self.focal, self.center, self.world_to_camera, size)


def cameras_of(
    focal: np.ndarray, center: np.ndarray, world_to_camera: np.ndarray, size: int
) -> Cameras:
    """Cameras [F], float32, of focal lengths [F, 2] and principal points [F, 2] as shares of a
    picture's edges and of world_to_camera [F, 4, 4]."""
    K = torch.zeros(len(focal), 3, 3, dtype=torch.float64)
    K[:, [0, 1], [0, 1]] = torch.from_numpy(focal.astype(np.float64)) * size
    K[:, :2, 2] = torch.from_numpy(center.astype(np.float64)) * size
    K[:, 2, 2] = 1
    w2c = torch.from_numpy(world_to_camera.astype(np.float64))
    return Cameras(K.float(), w2c.float(), size, size)


def concatenated(clips: Sequence[Clip]) -> Clip:
    """The frames of a subject's clips one after the other; the shape is that of the first clip.
    Raises InputError without a clip, and where a clip is given twice."""
    if not clips:
        raise InputError("video.train: expected at least one clip")
    if len({clip.folder.resolve() for clip in clips}) < len(clips):
        raise InputError(f"{clips[0].folder.parent}: a clip is given twice")
    first = clips[0]
    for clip in clips[1:]:
        if np.abs(clip.shape - first.shape).max() > SAME:
            log.warning(
                "%s: shape_params differ from those of %s, which are used for all clips",
                clip.folder / PARAMETERS,
                first.name,
            )
    return dataclasses.replace(
        first,
        name="+".join(clip.name for clip in clips),
        names=tuple(name for clip in clips for name in clip.names),
        folders=tuple(folder for clip in clips for folder in clip.folders),
        set_aside={f"{c.name}/{k}": why for c in clips for k, why in c.set_aside.items()},
        **{name: np.concatenate([getattr(clip, name) for clip in clips]) for name in ARRAYS},
    )
