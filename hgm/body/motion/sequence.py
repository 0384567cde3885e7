"""A motion: the parameters of SMPL-X frame by frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hgm.body.joints import HAND_WIDTH, HANDS, WIDTHS

if TYPE_CHECKING:
    from hgm.body.model import BodyModel
    from hgm.body.parameters import BodyParameters

ROTATIONS = {**WIDTHS, **dict.fromkeys(HANDS, HAND_WIDTH)}
TABLES: dict[str, int | None] = {**ROTATIONS, "transl": 3, "expression": None, "betas": None}
COEFFICIENTS = 10  # of shape and expression where nothing says how many


@dataclass(frozen=True, eq=False)
class Motion:
    """A person's motion of F frames at a constant rate, as float32 arrays.

    World: y up, meters; a person whose global_orient is zero faces +z. Rotations are axis-angle in
    radians, joint by joint, relative to the parent joint. Hands are the whole rotations of their
    joints: zero is a flat hand, not the body model's mean hand. The body turns about its pelvis
    joint; `transl` is added to the vertices and joints that the body model gives. Raises ValueError
    that names the field for a width or a number of frames that does not fit, for numbers that are
    not finite, for no frames, and for a rate that is not positive.
    """

    global_orient: np.ndarray  # [F, 3]
    body_pose: np.ndarray  # [F, 63], 21 joints
    jaw_pose: np.ndarray  # [F, 3]
    leye_pose: np.ndarray  # [F, 3]
    reye_pose: np.ndarray  # [F, 3]
    left_hand_pose: np.ndarray  # [F, 45], 15 joints
    right_hand_pose: np.ndarray  # [F, 45]
    expression: np.ndarray  # [F, E]
    betas: np.ndarray  # [1, S] of the whole motion, or [F, S]
    transl: np.ndarray  # [F, 3]
    fps: float  # frames a second

    def __post_init__(self) -> None:
        for name, width in TABLES.items():
            shape = getattr(self, name).shape
            if len(shape) != 2 or width not in (None, shape[1]):
                raise ValueError(f"{name} is {shape}, expected (frames, {width or 'numbers'})")
        frames = len(self.body_pose)
        for name in TABLES:
            array = getattr(self, name)
            if len(array) != frames and not (name == "betas" and len(array) == 1):
                raise ValueError(f"{name} has {len(array)} frames, body_pose has {frames}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        if not frames:
            raise ValueError("body_pose holds no frames")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps is {self.fps}, expected a positive number")

    @classmethod
    def of(
        cls, *, global_orient: np.ndarray, body_pose: np.ndarray, fps: float, **others: np.ndarray
    ) -> Motion:
        """A motion of arrays of any real type; what `others` leaves out is zero: a flat hand, a
        closed mouth, the mean shape, no translation."""
        with np.errstate(over="ignore"):
            given = {
                name: np.asarray(value, np.float32)
                for name, value in {
                    "global_orient": global_orient,
                    "body_pose": body_pose,
                    **others,
                }.items()
            }
        for name, width in TABLES.items():
            rows = 1 if name == "betas" else len(np.atleast_1d(given["body_pose"]))
            given.setdefault(name, np.zeros((rows, width or COEFFICIENTS), np.float32))
        return cls(**given, fps=float(fps))

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.body_pose)

    def __getitem__(self, frames: int | slice | Sequence[int] | np.ndarray) -> Motion:
        """Some of the frames, in the order given; one number gives a motion of one frame. The rate
        stays, whatever the step."""
        if isinstance(frames, (int, np.integer)):
            frames = [int(frames)]
        return dataclasses.replace(
            self,
            **{
                name: getattr(self, name)[frames]
                for name in TABLES
                if name != "betas" or len(self.betas) > 1
            },
        )

    def frame(self, i: int) -> dict[str, np.ndarray]:
        """The parameters of one frame by name, each [width]: what moves an actor of stand-ins."""
        one = self[i]
        return {name: getattr(one, name)[0] for name in TABLES}

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (len(self) - 1) / self.fps

    def resampled(self, fps: float) -> Motion:
        """The motion at another rate, from the same first moment to the last one that the new rate
        meets.

        Rotations go the shortest way at a constant speed between two frames, all else straight.
        """
        from scipy.spatial.transform import Rotation, Slerp

        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"fps is {fps}, expected a positive number")
        old = np.arange(len(self)) / self.fps
        # a hair more than the duration, so that the last frame of a whole multiple is not lost
        new = np.arange(int(self.duration * fps + 1e-6) + 1) / fps
        new = np.minimum(new, old[-1])
        if len(self) == 1:
            return dataclasses.replace(self, fps=float(fps))

        def turned(vectors: np.ndarray) -> np.ndarray:
            joints = vectors.reshape(len(old), -1, 3).swapaxes(0, 1)
            slerps = [Slerp(old, Rotation.from_rotvec(joint))(new) for joint in joints]
            return np.stack([x.as_rotvec() for x in slerps], 1).reshape(len(new), -1)

        def straight(rows: np.ndarray) -> np.ndarray:
            columns = [np.interp(new, old, column) for column in rows.T]
            return np.stack(columns, 1) if columns else np.zeros((len(new), 0))

        changed = {name: turned(getattr(self, name)) for name in ROTATIONS}
        changed |= {name: straight(getattr(self, name)) for name in ("transl", "expression")}
        changed["betas"] = straight(self.betas) if len(self.betas) > 1 else self.betas
        return Motion.of(**changed, fps=fps)

    @classmethod
    def joined(cls, motions: Iterable[Motion]) -> Motion:
        """Motions one after the other. Raises ValueError where they differ in their rates, or in
        the number of coefficients of shape or expression."""
        parts = list(motions)
        if not parts:
            raise ValueError("no motions to join")
        if len({part.fps for part in parts}) > 1:
            raise ValueError(f"motions of {', '.join(f'{p.fps:g}' for p in parts)} fps; resample")
        for name in ("expression", "betas"):
            widths = [getattr(part, name).shape[1] for part in parts]
            if len(set(widths)) > 1:
                raise ValueError(f"{name} has {widths} coefficients in the motions")
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in TABLES
            if name != "betas"
        }
        first = parts[0].betas
        if all(part.betas.shape == (1, first.shape[1]) for part in parts) and all(
            np.array_equal(part.betas, first) for part in parts
        ):
            arrays["betas"] = first
        else:
            arrays["betas"] = np.concatenate(
                [np.broadcast_to(part.betas, (len(part), part.betas.shape[1])) for part in parts]
            )
        return cls(**arrays, fps=parts[0].fps)

    def parameters(self, model: BodyModel) -> BodyParameters:
        """What a body model takes, of batch shape [F], on its device; hands become the 45
        coefficients that give their rotations. `transl` has to be added to what the model gives."""
        from hgm.body.parameters import BodyParameters, parameters_of

        arrays = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(BodyParameters)
        }
        for side, name in enumerate(HANDS):
            arrays[name] = model.exact_hand(arrays[name], side)
        return parameters_of(arrays, "motion").to(model.device)
