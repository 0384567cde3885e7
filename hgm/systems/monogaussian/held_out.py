"""Pictures of some of a clip's frames by cameras that no training sees, which only a stand-in has:
`held_out/<camera>/<k>.png` over white, and held_out.json beside flame_params.json, in its terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError
from hgm.images.views import load_image, resize
from hgm.systems.monogaussian.clip import Clip, cameras_of
from hgm.systems.monogaussian.clip_file import (
    finite_numbers,
    from_world_mats,
    intrinsics_of,
    world_mats,
)
from hgm.systems.monogaussian.layout import HELD_OUT, HELD_OUT_LIST
from hgm.systems.monogaussian.usable_frames import TOO_DEEP, is_deep

ADVICE = "delete it and make the video again"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out cameras of a clip, C of them, all of which see the same frames."""

    folder: Path  # of the clip
    frames: tuple[str, ...]  # names of the frames that they see
    cameras: tuple[str, ...]  # their names
    focal: np.ndarray  # [C, 2] as shares of the picture's width and height
    center: np.ndarray  # [C, 2] likewise
    world_to_camera: np.ndarray  # [C, 4, 4] in OpenCV's axes

    def rig(self, size: int) -> Cameras:
        """The cameras [C], float32, of pictures of this width and height in pixels."""
        return cameras_of(self.focal, self.center, self.world_to_camera, size)

    def path(self, camera: str, frame: str) -> Path:
        """The picture of a frame by a camera."""
        return self.folder / HELD_OUT / camera / f"{frame}.png"

    def image(self, camera: str, frame: str, size: int) -> Tensor:
        """That picture over white, uint8 [3, S, S]. Raises InputError where it cannot be read or
        has more than 8 bits."""
        path = self.path(camera, frame)
        image = load_image(path)[:3].expand(3, -1, -1)
        with Image.open(path) as file:
            if is_deep(file):
                raise InputError(f"{path}: the picture {TOO_DEEP}")
        return (resize(image, size) * 255).round().clamp(0, 255).to(torch.uint8)

    def views(self, clip: Clip, size: int) -> Iterator[tuple[str, int, Cameras, Tensor]]:
        """Camera by camera, of each frame that the clip still has: the camera's name, the frame's
        index in the clip, the camera [1], and the picture uint8 [3, S, S]."""
        rig = self.rig(size)
        places = {name: i for i, name in enumerate(clip.names)}
        for i, camera in enumerate(self.cameras):
            for frame in self.frames:
                if frame in places:
                    yield camera, places[frame], rig[i : i + 1], self.image(camera, frame, size)


def write_held_out(held_out: HeldOut) -> None:
    """Write held_out.json into the clip's folder."""
    matrices = world_mats(held_out.world_to_camera)
    cameras = {
        name: {
            "intrinsics": intrinsics_of(held_out.focal[i], held_out.center[i]),
            "world_mat": matrices[i].tolist(),
        }
        for i, name in enumerate(held_out.cameras)
    }
    data = {"frames": list(held_out.frames), "cameras": cameras}
    write_json(held_out.folder / HELD_OUT_LIST, data)


def read_held_out(folder: str | Path) -> HeldOut | None:
    """The held-out cameras of the clip in a folder; None where it has none. Raises InputError for a
    damaged file."""
    folder = Path(folder)
    path = folder / HELD_OUT_LIST
    if not path.exists():
        return None
    data = read_json(path, ADVICE)
    try:
        frames = tuple(str(frame) for frame in data["frames"])
        rows = dict(sorted(data["cameras"].items()))
        where = {name: f"{path}: cameras: {name}" for name in rows}
        intrinsics = [finite_numbers(rows[n], "intrinsics", (4,), where[n]) for n in rows]
        matrices = [finite_numbers(rows[n], "world_mat", (3, 4), where[n]) for n in rows]
    except (LookupError, TypeError, AttributeError):
        raise InputError(f"{path}: names no frames and cameras; {ADVICE}") from None
    if not rows:
        raise InputError(f"{path}: names no cameras; {ADVICE}")
    numbers = np.stack(intrinsics)
    return HeldOut(
        folder,
        frames,
        tuple(rows),
        focal=numbers[:, :2] * np.array([-1, 1], np.float32),
        center=numbers[:, 2:],
        world_to_camera=from_world_mats(np.stack(matrices), path, tuple(rows)),
    )
