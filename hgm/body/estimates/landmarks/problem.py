"""What a body should explain, as residuals in standard deviations, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from hgm.body.canonical import STATURE, UNITS_PER_METER
from hgm.body.estimates.landmarks.chain import BETAS, Chain, Placed
from hgm.body.estimates.landmarks.seen import Landmarks
from hgm.body.joints import BODY_NAMES, LIMITS, split_joint
from hgm.body.model import BODY_JOINTS, BodyModel

# one sigma each
DEPTH = 0.1  # meters, of a landmark's depth about the hips …
SIDEWAYS = 0.05  # … and of its other coordinates
PIXEL = 0.008  # of the picture's width
LENGTH = 0.1  # of the logarithm of the size of the estimator's meters
DISTANCE = 0.03  # of the logarithm of the distance
SHAPE = 1.0  # of a shape coefficient
BEYOND = 0.05  # radians beyond a limit
# radians of a joint's turn from the rest pose; STIFF for the others
TURN = {"hip": 0.6, "knee": 0.6, "shoulder": 1.0, "elbow": 1.0}
STIFF = 0.2
FAINT = 0.05  # least weight of a landmark, which those out of sight have
# the sought numbers: small rotations, betas, the pelvis' place, the log of the estimator's meter
TURNS = slice(0, 3 * BODY_JOINTS)
BODY_TURNS = slice(3, 3 * BODY_JOINTS)
SHAPES = slice(TURNS.stop, TURNS.stop + BETAS)
PLACE = slice(SHAPES.stop, SHAPES.stop + 3)
METER = PLACE.stop
COUNT = METER + 1


@dataclass(frozen=True)
class State:
    """A body before a camera."""

    rotations: np.ndarray  # [22, 3, 3] relative to the parents
    betas: np.ndarray  # [BETAS]
    place: np.ndarray  # [3] meters, the pelvis; x right, y up, z towards the camera, from there
    meter: float  # logarithm of the estimator's meter in those of the model

    def moved(self, step: np.ndarray, world: np.ndarray, parents: np.ndarray) -> State:
        """After a step [COUNT]; world [22, 3, 3] of the joints as they are."""
        turns = _in_parents(step[TURNS].reshape(-1, 3, 1), world, parents)[..., 0]
        return State(
            Rotation.from_rotvec(turns).as_matrix() @ self.rotations,
            self.betas + step[SHAPES],
            self.place + step[PLACE],
            self.meter + step[METER],
        )


class Problem:
    """Landmarks seen by a camera, and a body model."""

    def __init__(
        self, seen: Landmarks, model: BodyModel, K: np.ndarray, *, width: int, distance: float
    ) -> None:
        self.chain = Chain(model, seen.names)
        chosen = self.chain.chosen
        self.K, self.width = K, width
        self.names = [seen.names[i] for i in chosen]
        self.pixels = seen.pixels[chosen]
        self.meters = seen.meters[chosen] * [1, -1, -1]  # y up, z towards the camera
        self.weights = np.maximum(seen.visibility[chosen], FAINT)
        limits = [_limits(name) for name in BODY_NAMES]
        self._low, self._high = (np.concatenate(side) for side in zip(*limits, strict=True))
        sigmas = [TURN.get(split_joint(name)[2], STIFF) for name in BODY_NAMES]
        self._turn = np.repeat(sigmas, 3)
        y = model.v_template[:, 1]
        ends = [int(y.argmax()), int(y.argmin())]
        self._height = float(y[ends[0]] - y[ends[1]])
        columns = model.shape_basis[:BETAS].unflatten(1, (-1, 3))[:, ends, 1]
        self._grown = (columns[:, 0] - columns[:, 1]).double().cpu().numpy()
        self._statures = distance / (UNITS_PER_METER * STATURE)

    def start(self) -> State:
        """The rest pose, turned as hips and shoulders are seen."""
        left_hip, right_hip, left_shoulder, right_shoulder = (
            self.meters[self.names.index(name)]
            for name in ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
        )
        up = left_shoulder + right_shoulder - left_hip - right_hip
        left = left_hip - right_hip + left_shoulder - right_shoulder
        up = up / max(np.linalg.norm(up), 1e-9)
        forward = np.cross(left, up)
        forward = forward / max(np.linalg.norm(forward), 1e-9)
        rotations = np.tile(np.eye(3), (BODY_JOINTS, 1, 1))
        rotations[0] = np.stack([np.cross(up, forward), up, forward], 1)
        depth = self._statures * self._height
        hips = self.pixels[[self.names.index("left_hip"), self.names.index("right_hip")]].mean(0)
        across, down = (hips - self.K[:2, 2]) * depth / self.K[0, 0]
        return State(rotations, np.zeros(BETAS), np.array([across, -down, -depth]), 0.0)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [L, 3] from the camera -> pixels [L, 2] and their derivatives [L, 2, 3]."""
        focal = self.K[0, 0]
        x, y, z = points.T
        depth = np.maximum(-z, 0.1)
        zero = np.zeros_like(x)
        pixels = self.K[:2, 2] + focal * np.stack([x, -y], -1) / depth[:, None]
        rows = [np.stack([1 / depth, zero, x / depth**2], -1)]
        rows.append(np.stack([zero, -1 / depth, -y / depth**2], -1))
        return pixels, focal * np.stack(rows, 1)

    def residuals(
        self, state: State, *, ease: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, Placed]:
        """Residuals [R], their derivatives [R, COUNT] by a step, and where the landmarks are.
        `ease` widens what the joints are held by."""
        placed = self.chain.place(state.rotations, state.betas)
        count = len(placed.points)
        by = np.concatenate([placed.by_turn.reshape(count, 3, -1), placed.by_shape], 2)
        parts = [
            self._meters(state, placed.points, by),
            self._pixels(state, placed.points, by),
            self._pose(state, placed.world, ease),
            self._rest(state),
        ]
        values, rows = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(rows), placed

    def _meters(
        self, state: State, points: np.ndarray, by: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        hips = [self.names.index("left_hip"), self.names.index("right_hip")]
        size = np.exp(state.meter)
        scale = self.weights[:, None] / [SIDEWAYS, SIDEWAYS, DEPTH]
        values = (points - points[hips].mean(0) - size * self.meters) * scale
        rows = np.zeros((*points.shape, COUNT))
        rows[..., : SHAPES.stop] = by - by[hips].mean(0)
        rows[..., METER] = -size * self.meters
        return values.reshape(-1), (rows * scale[..., None]).reshape(-1, COUNT)

    def _pixels(
        self, state: State, points: np.ndarray, by: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        pixels, slope = self.project(points + state.place)
        scale = self.weights[:, None] / (PIXEL * self.width)
        rows = np.zeros((*pixels.shape, COUNT))
        rows[..., : SHAPES.stop] = slope @ by
        rows[..., PLACE] = slope
        values = (pixels - self.pixels) * scale
        return values.reshape(-1), (rows * scale[..., None]).reshape(-1, COUNT)

    def _pose(self, state: State, world: np.ndarray, ease: float) -> tuple[np.ndarray, np.ndarray]:
        """Turns of the 21 joints from the rest pose, and how far they are beyond the limits."""
        turns = Rotation.from_matrix(state.rotations[1:]).as_rotvec()
        parents = self.chain.parents
        slopes = _in_parents(np.tile(np.eye(3), (BODY_JOINTS, 1, 1)), world, parents)[1:]
        slopes = _left_inverse(turns) @ slopes  # [21, 3, 3]
        rows = np.zeros((len(turns), 3, COUNT))
        for joint, slope in enumerate(slopes):
            rows[joint, :, 3 * joint + 3 : 3 * joint + 6] = slope
        flat, rows = turns.reshape(-1), rows.reshape(-1, COUNT)
        beyond = np.maximum(flat - self._high, 0) + np.minimum(flat - self._low, 0)
        out = (beyond != 0)[:, None]
        values = np.concatenate([flat / self._turn, beyond / BEYOND]) / ease
        return values, np.concatenate([rows / self._turn[:, None], rows * out / BEYOND]) / ease

    def _rest(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Shape, size of the estimator's meter, and distance."""
        rows = np.zeros((BETAS + 2, COUNT))
        rows[np.arange(BETAS), np.arange(SHAPES.start, SHAPES.stop)] = 1 / SHAPE
        rows[-2, METER] = 1 / LENGTH
        height = self._height + self._grown @ state.betas
        depth = -state.place[2]
        off = np.log(max(depth, 0.1)) - np.log(self._statures * height)
        rows[-1, PLACE.stop - 1] = -1 / depth / DISTANCE
        rows[-1, SHAPES] = -self._grown / height / DISTANCE
        return np.concatenate([state.betas / SHAPE, [state.meter / LENGTH, off / DISTANCE]]), rows


def _limits(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest rotation vector of a joint."""
    side, _, family = split_joint(name)
    low, high = np.array(LIMITS[family].low), np.array(LIMITS[family].high)
    if side != "r":
        return low, high
    # y and z change their signs in the mirror
    return np.array([low[0], *-high[1:]]), np.array([high[0], *-low[1:]])


def _in_parents(turns: np.ndarray, world: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Columns [22, 3, n] in the world's axes -> in the axes of each joint's parent."""
    above = world[parents].copy()
    above[0] = np.eye(3)
    return above.swapaxes(1, 2) @ turns


def _left_inverse(vectors: np.ndarray) -> np.ndarray:
    """The derivative [..., 3, 3] of rotation vectors [..., 3] by a small rotation that follows:
    inverse left Jacobian of SO(3)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    safe = np.maximum(angle, 1e-3)
    share = np.where(angle < 1e-3, 1 / 12, 1 / safe**2 - 1 / (2 * safe * np.tan(safe / 2)))
    return np.eye(3) - cross / 2 + share * cross @ cross
