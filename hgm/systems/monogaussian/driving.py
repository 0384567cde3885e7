"""What drives an avatar: expression, pose and camera of each frame of a film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.body.joints import BODY_NAMES
from hgm.body.motion import Motion
from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.monogaussian.clip import EXPRESSION, POSE, Clip, cameras_of

SWEPT = 10  # expressions of a sweep, at most
FAR = 2.0  # deviations of the training clips to which a sweep takes each of them
STILL = 1e-8  # variance of an expression that never moves
# degrees that an orbit goes to either side, and up and down: near what a video shows of a head
SIDEWARD, UPWARD = 35.0, 12.0


@dataclass(frozen=True, eq=False)
class Driving:
    """The F frames of a film, float32, in the units and axes of `Clip`. Raises InputError for
    arrays of other shapes and for numbers that are not finite."""

    name: str
    names: tuple[str, ...]  # of the frames
    expression: np.ndarray  # [F, 50]
    pose: np.ndarray  # [F, 15]
    focal: np.ndarray  # [F, 2]
    center: np.ndarray  # [F, 2]
    world_to_camera: np.ndarray  # [F, 4, 4]

    def __post_init__(self) -> None:
        frames = len(self.names)
        shapes = {
            "expression": (frames, EXPRESSION),
            "pose": (frames, POSE),
            "focal": (frames, 2),
            "center": (frames, 2),
            "world_to_camera": (frames, 4, 4),
        }
        if not frames:
            raise InputError(f"{self.name}: the driver has no frames")
        for key, shape in shapes.items():
            array = getattr(self, key)
            if array.shape != shape:
                raise InputError(
                    f"{self.name}: {key} is {list(array.shape)}, expected {list(shape)}"
                )
            finite = np.isfinite(array).reshape(frames, -1).all(1)
            if not finite.all():
                raise InputError(
                    f"{self.name}: {key} of frame {self.names[int(finite.argmin())]} holds numbers "
                    "that are not finite; leave the frame out, or track it again"
                )

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.names)

    def cameras(self, size: int) -> Cameras:
        """The cameras [F], float32, of pictures of this width and height in pixels."""
        return cameras_of(self.focal, self.center, self.world_to_camera, size)

    @classmethod
    def from_clip(cls, clip: Clip) -> Driving:
        """As a clip moves, seen by its own cameras; its shape is not taken."""
        return cls(
            clip.name,
            clip.names,
            clip.expression,
            clip.pose,
            clip.focal,
            clip.center,
            clip.world_to_camera,
        )

    @classmethod
    def sweep(cls, clip: Clip, frames: int) -> Driving:
        """One expression at a time, from its mean in the training clips to two deviations above,
        to two below and back: those that move most come first. The head is held as in the mean of
        the clips. Raises InputError where no expression ever moves."""
        expressions, counts = _swept(clip, frames)
        mean, deviation = clip.expression.mean(0), clip.expression.std(0)
        rows = []
        for column, count in zip(expressions, counts, strict=True):
            part = np.tile(mean, (count, 1))
            part[:, column] += FAR * deviation[column] * np.sin(_turn(count))
            rows.append(part)
        return cls._before(clip, "sweep", np.concatenate(rows), _held(clip, frames))

    @classmethod
    def orbit(cls, clip: Clip, frames: int) -> Driving:
        """The mean expression and pose of the training clips from other sides: the camera goes once
        round an ellipse about where it stood, and looks at the head."""
        turn = _turn(frames)
        center = _looked_at(clip)
        matrices = np.stack(
            [
                clip.world_to_camera[0].astype(np.float64)
                @ _about(center, SIDEWARD * np.sin(t), UPWARD * np.cos(t))
                for t in turn
            ]
        )
        expression = np.tile(clip.expression.mean(0), (frames, 1))
        return cls._before(clip, "orbit", expression, _held(clip, frames), matrices)

    @classmethod
    def from_motion(cls, motion: Motion, clip: Clip) -> Driving:
        """As a person's neck, head, jaw, eyes and face move, seen by a clip's camera. What the rest
        of the body does turns no head: FLAME's root is the neck. SMPL-X's expressions are FLAME's
        first ones; a motion of more than 50 loses the rest."""
        body = motion.body_pose.reshape(len(motion), -1, 3)
        turns = [body[:, BODY_NAMES.index("neck")], body[:, BODY_NAMES.index("head")]]
        turns += [motion.jaw_pose, motion.leye_pose, motion.reye_pose]
        expression = np.zeros((len(motion), EXPRESSION))
        width = min(EXPRESSION, motion.expression.shape[1])
        expression[:, :width] = motion.expression[:, :width]
        return cls._before(clip, "motion", expression, np.concatenate(turns, 1))

    @classmethod
    def _before(
        cls,
        clip: Clip,
        name: str,
        expression: np.ndarray,
        pose: np.ndarray,
        matrices: np.ndarray | None = None,
    ) -> Driving:
        """Frames, called from 1 on, before the camera of a clip's first frame."""
        frames = len(pose)
        if matrices is None:
            matrices = clip.world_to_camera[:1].repeat(frames, 0)
        return cls(
            name,
            tuple(str(i + 1) for i in range(frames)),
            expression.astype(np.float32),
            pose.astype(np.float32),
            clip.focal[:1].repeat(frames, 0),
            clip.center[:1].repeat(frames, 0),
            matrices.astype(np.float32),
        )


def _swept(clip: Clip, frames: int) -> tuple[list[int], list[int]]:
    """The expressions of a sweep, and the frames of each."""
    variance = clip.expression.var(0)
    moving = [int(i) for i in np.argsort(-variance, kind="stable") if variance[i] > STILL]
    if not moving:
        raise InputError(f"{clip.folder}: no expression moves in the clip, so there is no sweep")
    chosen = moving[: min(SWEPT, frames)]
    return chosen, [len(part) for part in np.array_split(np.arange(frames), len(chosen))]


def _held(clip: Clip, frames: int) -> np.ndarray:
    """The mean pose of a clip [F, 15], in which the head is held still."""
    return np.tile(clip.pose.mean(0), (frames, 1))


def _turn(frames: int) -> np.ndarray:
    """Angles [F] of one turn, of which the last frame does not repeat the first."""
    return 2 * np.pi * np.arange(frames) / frames


def _looked_at(clip: Clip) -> np.ndarray:
    """The point [3] on the axis of a clip's first camera that is nearest to the world's origin."""
    matrix = clip.world_to_camera[0].astype(np.float64)
    position = -matrix[:3, :3].T @ matrix[:3, 3]
    forward = matrix[2, :3]
    return np.asarray(position - (position @ forward) * forward)


def _about(center: np.ndarray, sideward: float, upward: float) -> np.ndarray:
    """A turn of the world [4, 4] about a point, after which a camera sees it from so many degrees
    to the person's left and from above."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("yx", [-sideward, upward], degrees=True).as_matrix()
    whole = np.eye(4)
    whole[:3, :3] = turn
    whole[:3, 3] = center - turn @ center
    return whole
