"""The file of a clip's parameters as IMavatar keeps it, both ways:
`<subject>/<subject>/<clip>/{flame_params.json, image/<k>.png, mask/<k>.png, semantic/<k>.png}`.

In flame_params.json, `world_mat` goes to a camera in OpenGL's axes (y up, z backward) and fx is
stored with reversed sign, so that `u = fx * X / Z + cx` holds for its coordinates. A `Clip` has
OpenCV's cameras and positive focal lengths.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hgm.core.files import atomic_write
from hgm.core.manifests import read_json
from hgm.core.npz import numbers_of
from hgm.errors import InputError
from hgm.systems.monogaussian.clip import EXPRESSION, KEYPOINTS, POSE, SHAPE, Clip
from hgm.systems.monogaussian.layout import LONE, PARAMETERS
from hgm.systems.monogaussian.usable_frames import unusable_frames

# keys of a frame in the file, and their shapes
FRAME = {
    "expression": (EXPRESSION,),
    "pose": (POSE,),
    "world_mat": (3, 4),
    "flame_keypoints": (KEYPOINTS, 2),
}
DECA_POSE = 6
AXES = np.diag([1.0, -1.0, -1.0, 1.0])  # from OpenGL's camera to OpenCV's, and back
ADVICE = "export the tracked clip again (docs/monogaussian.md)"


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


def read_lone(folder: str | Path) -> Clip | None:
    """The clip of lone expressions within a stand-in's clip; None where it has none. Raises
    InputError as `read_clip` does."""
    inner = Path(folder) / LONE
    return read_clip(inner, pictures=False) if inner.is_dir() else None


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
