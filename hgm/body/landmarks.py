"""Points of the body that pose estimators name: where each lies on a body model, whatever the
model's file.

A landmark is fixed to a joint and moves as that turns. Its place in the rest pose is near a joint;
by how far was measured where MediaPipe's points lie on 37 stand-ins whose bodies are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hgm.body.model import BodyModel

# landmark -> the joint that it is fixed to, the joint that it is near to, and how far it is off
# that one in the rest pose: meters, x to the left, y up, z forward, as on the left side
PLACES: dict[str, tuple[str, str, tuple[float, float, float]]] = {
    "nose": ("head", "head", (0.0, 0.02, 0.105)),
    "left_eye": ("head", "left_eye_smplhf", (0.0, 0.013, 0.003)),
    "left_ear": ("head", "head", (0.055, 0.048, 0.025)),
    "left_shoulder": ("left_collar", "left_shoulder", (0.005, 0.013, 0.006)),
    "left_elbow": ("left_shoulder", "left_elbow", (-0.007, 0.012, 0.008)),
    "left_wrist": ("left_elbow", "left_wrist", (0.016, 0.0, 0.003)),
    "left_pinky": ("left_wrist", "left_pinky1", (0.006, -0.006, 0.026)),
    "left_index": ("left_wrist", "left_index1", (-0.01, -0.015, -0.017)),
    "left_thumb": ("left_wrist", "left_thumb2", (0.017, 0.004, -0.028)),
    "left_hip": ("pelvis", "left_hip", (-0.005, -0.014, 0.0)),
    "left_knee": ("left_hip", "left_knee", (-0.003, -0.005, -0.016)),
    "left_ankle": ("left_knee", "left_ankle", (-0.002, 0.02, 0.022)),
    "left_heel": ("left_ankle", "left_ankle", (-0.013, -0.038, 0.0)),
    "left_foot_index": ("left_ankle", "left_foot", (-0.017, 0.011, 0.04)),
}


def place_of(name: str) -> tuple[str, str, tuple[float, float, float]] | None:
    """The entry of PLACES for a landmark of either side; None for one that is not used."""
    if not name.startswith("right_"):
        return PLACES.get(name)
    mirrored = PLACES.get(name.replace("right_", "left_", 1))
    if mirrored is None:
        return None
    fixed, near, (x, y, z) = mirrored
    return fixed.replace("left_", "right_"), near.replace("left_", "right_"), (-x, y, z)


@dataclass(frozen=True)
class BodyLandmarks:
    """Landmarks [L] of one body model, a choice of those that an estimator names."""

    chosen: Tensor  # [L] int64, places among the estimator's landmarks
    fixed: Tensor  # [L] int64, the joint that each is fixed to
    near: Tensor  # [L] int64, the joint that each is near to
    offset: Tensor  # [L, 3] meters, from the latter in the rest pose

    @classmethod
    def of(cls, model: BodyModel, names: Sequence[str]) -> BodyLandmarks:
        """Those of an estimator's landmarks `names` that PLACES has."""
        joint = {name: i for i, name in enumerate(model.joint_names)}
        found = [(i, place) for i, name in enumerate(names) if (place := place_of(name))]

        def indices(values: Sequence[int]) -> Tensor:
            return torch.tensor(values, device=model.device)

        return cls(
            indices([i for i, _ in found]),
            indices([joint[fixed] for _, (fixed, _, _) in found]),
            indices([joint[near] for _, (_, near, _) in found]),
            torch.tensor([list(offset) for _, (_, _, offset) in found], device=model.device),
        )

    def at_rest(self, joints: Tensor) -> Tensor:
        """Landmarks [..., L, 3] of bodies with joints [..., 55, 3] in the rest pose, meters."""
        return joints[..., self.near, :] + self.offset

    def posed(self, joints: Tensor, transforms: Tensor) -> Tensor:
        """Landmarks [..., L, 3] in the pose of transforms [..., 55, 4, 4], from the joints [...,
        55, 3] of the rest pose, meters."""
        moved = transforms[..., self.fixed, :, :]
        return (moved[..., :3, :3] @ self.at_rest(joints)[..., None])[..., 0] + moved[..., :3, 3]
