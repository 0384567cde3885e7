"""How the joints move from the star pose to a frame of a motion: all that a frame's avatar needs of
its body."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.joints import HANDS
from hgm.body.kinematics import pose_joints, rotation_matrices
from hgm.body.model import JOINTS, BodyModel
from hgm.body.motion.sequence import Motion
from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError

CHUNK = 256  # frames that are posed at once
ADVICE = "delete it and run again"


@dataclass(frozen=True, eq=False)
class FrameTransforms:
    """The transforms of F frames of a motion, float32, from the star pose to the frame's."""

    frames: tuple[int, ...]  # their numbers in the capture
    # [F, 55, 4, 4] into the world of the capture
    transforms: Tensor
    # [F, 55, 4, 4] without the root's rotation and translation and with flat hands: what of a pose
    # the networks see, so that they learn nothing of where a person stands and turns to
    poses: Tensor

    def __len__(self) -> int:
        return len(self.frames)

    def index(self, frame: int) -> int:
        """The row of a frame of the capture. Raises InputError for one that is not among them."""
        try:
            return self.frames.index(frame)
        except ValueError:
            raise InputError(f"frame {frame}: its pose is not among those prepared") from None

    def save(self, path: str | Path) -> None:
        """Write an npz; equal numbers give equal bytes."""
        with atomic_write(path) as file:
            np.savez(
                file,
                frames=np.array(self.frames, np.int64),
                transforms=self.transforms.cpu().numpy(),
                pose_transforms=self.poses.cpu().numpy(),
            )

    @classmethod
    def load(cls, path: str | Path) -> FrameTransforms:
        """Read what `save` wrote. Raises InputError for any other file."""
        keys = ("frames", "transforms", "pose_transforms")
        arrays = read_npz(path, keys, what="file of frames", advice=ADVICE)
        if missing := [key for key in keys if key not in arrays]:
            raise InputError(f"{path}: the key {missing[0]} is missing; {ADVICE}")
        frames = numbers_of(arrays["frames"], f"{path}: frames").astype(np.int64)
        shape = (len(np.atleast_1d(frames)), JOINTS, 4, 4)
        found = []
        for key in keys[1:]:
            numbers = numbers_of(arrays[key], f"{path}: {key}").astype(np.float32)
            if numbers.shape != shape or not np.isfinite(numbers).all():
                raise InputError(f"{path}: {key} is not {shape} finite numbers; {ADVICE}")
            found.append(torch.from_numpy(numbers))
        return cls(tuple(frames.tolist()), *found)


def frame_transforms(
    model: BodyModel, motion: Motion, star: Tensor, frames: Sequence[int] | None = None
) -> FrameTransforms:
    """The transforms of frames of a motion, all of them by default; the shape is the motion's.

    star [55, 4, 4]: the transforms of the star pose (`CanonicalMaps.rest_transforms`).
    """
    chosen = list(range(len(motion)) if frames is None else frames)
    back = torch.linalg.inv(star.double().cpu())
    whole, poses = [], []
    for start in range(0, len(chosen), CHUNK):
        part = motion[chosen[start : start + CHUNK]]
        moved = joint_transforms(model, part).double().cpu()
        moved[:, :, :3, 3] += torch.from_numpy(part.transl).double()[:, None]
        whole.append((moved @ back).float())
        poses.append((joint_transforms(model, without_root(part)).double().cpu() @ back).float())
    return FrameTransforms(tuple(chosen), torch.cat(whole), torch.cat(poses))


def without_root(motion: Motion) -> Motion:
    """A motion that neither turns nor moves as a whole, with flat hands."""
    still = {name: np.zeros_like(getattr(motion, name)) for name in ("global_orient", "transl")}
    hands = {name: np.zeros_like(getattr(motion, name)) for name in HANDS}
    return dataclasses.replace(motion, **still, **hands)


def joint_transforms(model: BodyModel, motion: Motion) -> Tensor:
    """The transforms [F, 55, 4, 4] of the joints from the rest pose to the frames of a motion,
    without its translation. No vertex is posed, so that long motions are quick."""
    params = motion.parameters(model)
    with torch.no_grad():
        _, joints = model.shaped(params.betas, params.expression)
        rotations = rotation_matrices(model.rotations(params))
        return pose_joints(rotations, joints, model.parents)[1]
