"""Clips of a head for tests: random parameters, a disc as picture."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_file import write_clip


def random_clip(folder: Path, frames: int = 24, seed: int = 0) -> Clip:
    """Random parameters and cameras, of frames called 1 to `frames` in a folder."""
    rng = np.random.default_rng(seed)
    world_to_camera = np.tile(np.eye(4), (frames, 1, 1))
    turns = Rotation.from_rotvec(rng.normal(0, 0.1, (frames, 3))).as_matrix()
    world_to_camera[:, :3, :3] = np.diag([1, -1, -1]) @ turns
    world_to_camera[:, :3, 3] = rng.normal([0, 0, 4], 0.1, (frames, 3))
    focal, center = rng.uniform(1.5, 2.0, 2), rng.uniform(0.4, 0.6, 2)
    arrays = {
        "shape": rng.normal(size=100),
        "focal": np.tile(focal, (frames, 1)),
        "center": np.tile(center, (frames, 1)),
        "expression": rng.normal(size=(frames, 50)),
        "pose": rng.normal(0, 0.2, (frames, 15)),
        "world_to_camera": world_to_camera,
        "keypoints": rng.uniform(-1, 1, (frames, 70, 2)),
    }
    return Clip(
        name=folder.name,
        names=tuple(str(i + 1) for i in range(frames)),
        folders=(folder,) * frames,
        **{name: array.astype(np.float32) for name, array in arrays.items()},
    )


def write_random_clip(folder: Path, frames: int = 24, seed: int = 0, size: int = 32) -> Clip:
    """`random_clip` on disk, with a picture of each frame in a color of its own: a square in the
    left upper quarter is the person, soft to a half at its right edge."""
    clip = random_clip(folder, frames, seed)
    write_clip(clip, folder)
    mask = np.zeros((size, size), np.uint8)
    mask[: size // 2, : size // 2] = 255
    mask[: size // 2, size // 2 - 1] = 128
    labels = np.where(mask > 127, np.uint8(17), np.uint8(0))
    for i in range(frames):
        image = np.full((size, size, 3), (10 + i, 100, 200), np.uint8)
        for kind, picture in (("image", image), ("mask", mask), ("semantic", labels)):
            path = clip.path(kind, i)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    return clip
