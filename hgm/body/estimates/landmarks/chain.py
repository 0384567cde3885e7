"""Landmarks on a chain of joints, and their derivatives by every rotation and shape coefficient: in
numpy and float64, since a fit takes them a hundred times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hgm.body.landmarks import BodyLandmarks
from hgm.body.model import BODY_JOINTS, BodyModel

BETAS = 10  # shape coefficients that are sought


@dataclass(frozen=True)
class Placed:
    """Landmarks of a body whose pelvis is at the origin, meters, and their derivatives."""

    points: np.ndarray  # [L, 3]
    by_turn: np.ndarray  # [L, 3, 22, 3], by small rotations of joints about the world's axes
    by_shape: np.ndarray  # [L, 3, BETAS]
    world: np.ndarray  # [22, 3, 3], rotations of the joints from the rest pose


class Chain:
    """The first 22 joints of a body model with landmarks [L] fixed to them."""

    def __init__(self, model: BodyModel, names: Sequence[str]) -> None:
        marks = BodyLandmarks.of(model, names)
        self.chosen = marks.chosen.cpu().numpy()
        self._fixed = marks.fixed.cpu().numpy()
        self.parents = model.parents[:BODY_JOINTS].cpu().numpy()
        regressor = model.joint_regressor.double()
        columns = model.shape_basis[:BETAS].double().unflatten(1, (-1, 3))
        # of the mean shape, then what each coefficient adds
        shapes = [regressor @ model.v_template.double(), *(regressor @ columns)]
        joints = np.stack([shape.cpu().numpy() for shape in shapes])  # [1 + BETAS, 55, 3]
        near = joints[:, marks.near.cpu().numpy()]
        near[0] += marks.offset.double().cpu().numpy()
        self._arms = near - joints[:, self._fixed]  # [1 + BETAS, L, 3], from the joint
        self._bones = joints[:, :BODY_JOINTS].copy()  # [1 + BETAS, 22, 3], from the parent
        self._bones[:, 1:] -= joints[:, self.parents[1:]]
        self._bones[:, 0] = 0
        # whether a joint moves a landmark
        self._moves = np.zeros((len(self._fixed), BODY_JOINTS), bool)
        for landmark, joint in enumerate(self._fixed):
            while joint >= 0:
                self._moves[landmark, joint] = True
                joint = self.parents[joint]

    def place(self, rotations: np.ndarray, betas: np.ndarray) -> Placed:
        """rotations [22, 3, 3] relative to the parents, the first to the world; betas [BETAS]."""
        world = np.empty_like(rotations)
        # joints [22, 1 + BETAS, 3]: of the mean shape, and what each coefficient adds
        joints = np.zeros((BODY_JOINTS, 1 + BETAS, 3))
        world[0] = rotations[0]
        for i in range(1, BODY_JOINTS):
            parent = self.parents[i]
            world[i] = world[parent] @ rotations[i]
            joints[i] = joints[parent] + self._bones[:, i] @ world[parent].T
        arms = np.einsum("sli,lji->lsj", self._arms, world[self._fixed])
        parts = joints[self._fixed] + arms  # [L, 1 + BETAS, 3]
        amounts = np.concatenate([[1.0], betas])
        points = amounts @ parts
        reach = (points[:, None] - amounts @ joints) * self._moves[..., None]  # [L, 22, 3]
        x, y, z = np.moveaxis(reach, -1, 0)
        zero = np.zeros_like(x)
        # of a small rotation w: w x reach
        by_turn = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1)
        by_turn = by_turn.reshape(*x.shape, 3, 3).swapaxes(1, 2)
        return Placed(points, by_turn, parts[:, 1:].swapaxes(1, 2), world)
