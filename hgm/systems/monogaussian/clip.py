"""Clips of a head with FLAME's parameters in every frame, as IMavatar keeps them:
`<subject>/<subject>/<clip>/{flame_params.json, image/<k>.png, mask/<k>.png, semantic/<k>.png}`.

In flame_params.json, `world_mat` goes to a camera in OpenGL's axes (y up, z backward) and fx is
stored with reversed sign, so that `u = fx * X / Z + cx` holds for its coordinates. Here cameras are
OpenCV's and focal lengths positive. The world is FLAME's, four times as large: its unit is a
quarter of a meter.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from hgm.cameras import Cameras
from hgm.core.files import atomic_write
from hgm.core.manifests import read_json
from hgm.core.npz import numbers_of
from hgm.errors import InputError
from hgm.systems.monogaussian.usable_frames import unusable_frames

log = logging.getLogger(__name__)
PARAMETERS = "flame_params.json"
SHAPE, EXPRESSION, POSE, KEYPOINTS = 100, 50, 15, 70  # numbers of FLAME, and landmarks
SCALE = 4.0  # units of the clips' world in a meter
SAME = 1e-4  # by which the shapes of a subject's clips may differ
DECA_POSE = 6
ARRAYS = (
    "focal",
    "center",
    "expression",
    "pose",
    "world_to_camera",
    "keypoints",
)  # of a clip, by frame
# keys of a frame in the file, and their shapes
FRAME = {
    "expression": (EXPRESSION,),
    "pose": (POSE,),
    "world_mat": (3, 4),
    "flame_keypoints": (KEYPOINTS, 2),
}
AXES = np.diag([1.0, -1.0, -1.0, 1.0])  # from OpenGL's camera to OpenCV's, and back
ADVICE = "export the tracked clip again (docs/monogaussian.md)"


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


def read_clip(folder: str | Path, *, pictures: bool = True) -> Clip:
    """The clip in a folder. Without `pictures` its frames need no files, as where it only drives an
    avatar; with them, frames whose pictures cannot be used are set aside (`unusable_frames`).

    Raises InputError for a file that is missing, damaged or no such clip, for frames without
    pictures, and where all frames are set aside.
    """
    folder = Path(folder)
    path = folder / PARAMETERS
    data = read_json(path, ADVICE)
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected intrinsics, shape_params and frames; {ADVICE}")
    intrinsics = finite_numbers(data, "intrinsics", (4,), str(path))
    shape = finite_numbers(data, "shape_params", (SHAPE,), str(path))
    if not intrinsics[:2].all():
        raise InputError(f"{path}: intrinsics: a focal length is 0; {ADVICE}")
    frames = _require(data, "frames", str(path))
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f"{path}: frames is no list of frames; {ADVICE}")
    if not frames:
        raise InputError(f"{path}: frames is empty; {ADVICE}")
    names = _names(frames, path)
    tables = {
        key: np.stack(
            [
                finite_numbers(f, key, size, f"{path}: frame {k}")
                for f, k in zip(frames, names, strict=True)
            ]
        )
        for key, size in FRAME.items()
    }
    clip = Clip(
        name=folder.name,
        shape=shape,
        names=names,
        folders=(folder,) * len(names),
        focal=np.tile(intrinsics[:2] * np.array([-1, 1], np.float32), (len(names), 1)),
        center=np.tile(intrinsics[2:], (len(names), 1)),
        expression=tables["expression"],
        pose=tables["pose"],
        world_to_camera=from_world_mats(tables["world_mat"], path, names),
        keypoints=tables["flame_keypoints"],
    )
    if not pictures:
        return clip
    places = range(len(clip))
    reasons = unusable_frames(*([clip.path(kind, i) for i in places] for kind in ("image", "mask")))
    kept = [i for i in places if i not in reasons]
    return dataclasses.replace(clip[kept], set_aside={names[i]: why for i, why in reasons.items()})


def write_clip(clip: Clip, folder: str | Path) -> Path:
    """Write a clip's flame_params.json into a folder, beside which its pictures have to be; returns
    the file. Equal clips give equal bytes. Raises ValueError for frames of different cameras."""
    if np.ptp(clip.focal, axis=0).any() or np.ptp(clip.center, axis=0).any():
        raise ValueError("intrinsics differ between the frames of a clip; it can have one set")
    frames = [
        {
            "file_path": f"image/{name}",
            "world_mat": world_mat.tolist(),
            "expression": clip.expression[i].tolist(),
            "pose": clip.pose[i].tolist(),
            "bbox": _box(clip.keypoints[i]),
            "flame_keypoints": clip.keypoints[i].tolist(),
        }
        for i, (name, world_mat) in enumerate(
            zip(clip.names, world_mats(clip.world_to_camera), strict=True)
        )
    ]
    data = {
        "intrinsics": intrinsics_of(clip.focal[0], clip.center[0]),
        "shape_params": clip.shape.tolist(),
        "frames": frames,
    }
    path = Path(folder) / PARAMETERS
    with atomic_write(path, "w") as file:
        json.dump(data, file, allow_nan=False)
        file.write("\n")
    return path


def intrinsics_of(focal: np.ndarray, center: np.ndarray) -> list[float]:
    """`intrinsics` of the format from a focal length [2] and a principal point [2]."""
    return [-float(focal[0]), float(focal[1]), *map(float, center)]


def world_mats(world_to_camera: np.ndarray) -> np.ndarray:
    """`world_mat` of the format [F, 3, 4] from world_to_camera [F, 4, 4] in OpenCV's axes."""
    # adding 0 makes -0.0 a plain zero
    return (AXES @ world_to_camera)[:, :3].astype(world_to_camera.dtype) + 0


def from_world_mats(matrices: np.ndarray, path: Path, names: Sequence[str]) -> np.ndarray:
    """The inverse of `world_mats`, float32. Raises InputError, which names file and frame, for
    matrices that do more than turn and shift."""
    turns = matrices[:, :, :3].astype(np.float64)
    stretched = np.abs(turns @ turns.swapaxes(1, 2) - np.eye(3)).max((1, 2)) > 0.01
    if stretched.any():
        raise InputError(
            f"{path}: frame {names[int(stretched.argmax())]}: world_mat is no rotation with a "
            f"translation; {ADVICE}"
        )
    whole = np.tile(np.eye(4), (len(matrices), 1, 1))
    whole[:, :3] = matrices
    return (AXES @ whole).astype(np.float32) + 0


def _require(data: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in data:
        raise InputError(f"{where}: the key {key} is missing; {ADVICE}")
    return data[key]


def finite_numbers(
    data: Mapping[str, Any], key: str, shape: tuple[int, ...], where: str
) -> np.ndarray:
    """The numbers of a key, float32. Raises InputError, which begins with `where`, for a missing
    key, another shape, and what is not finite numbers."""
    with np.errstate(over="ignore"):
        array = numbers_of(_require(data, key, where), f"{where}: {key}").astype(np.float32)
    if array.shape != shape:
        advice = ADVICE
        if key == "pose" and array.size == DECA_POSE:
            advice = (
                "these are DECA's, global rotation and jaw: rotations of neck and eyes are "
                "missing, which IMavatar's fitting, metrical-tracker or VHAP add"
            )
        elif key == "expression":
            advice = f"fit FLAME 2020 with {EXPRESSION} coefficients of expression"
        raise InputError(f"{where}: {key} is {list(array.shape)}, expected {list(shape)}; {advice}")
    if not np.isfinite(array).all():
        raise InputError(f"{where}: {key} holds numbers that are not finite; {ADVICE}")
    return array


def _names(frames: Sequence[Mapping[str, Any]], path: Path) -> tuple[str, ...]:
    """What the frames' pictures are called: whole numbers from 1 on."""
    names = []
    for i, frame in enumerate(frames):
        given = str(_require(frame, "file_path", f"{path}: frames[{i}]"))
        parts = PurePosixPath(given).parts
        if len(parts) != 2 or parts[0] != "image" or not parts[1].isdecimal():
            raise InputError(
                f"{path}: frames[{i}]: file_path is {given[:60]!r}, expected image/<number>, no "
                "extension"
            )
        names.append(parts[1])
    numbers = [int(name) for name in names]
    if min(numbers) != 1:
        raise InputError(
            f"{path}: the first frame is called {min(numbers)}, expected 1; rename pictures and "
            "file_path alike"
        )
    if len(set(numbers)) < len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise InputError(f"{path}: file_path: frame {twice} is there twice; {ADVICE}")
    return tuple(names)


def _box(keypoints: np.ndarray) -> list[float]:
    """Middle and longer edge of the box around landmarks [70, 2]; no known reader uses it."""
    low, high = keypoints.min(0), keypoints.max(0)
    return [*((low + high) / 2).tolist(), float((high - low).max())]
