"""Pictures of a run's maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.errors import InputError
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.pose_map import position_map

REACH = 1.0  # meters from the center, at which a color is at its end


def map_pictures(folder: Path) -> dict[str, np.ndarray]:
    """The maps of a run as pictures uint8 [S, S, 3] by their captions; empty where there are
    none."""
    try:
        maps = CanonicalMaps.load(folder / "maps/canonical.npz")
        frames = FrameTransforms.load(folder / "maps/frames.npz")
    except InputError:
        return {}
    normals = maps.grid((maps.normals + 1) / 2)
    places = maps.grid((maps.positions - maps.center) / (2 * REACH) + 0.5)
    found = {
        "normals, front": _picture(normals[0], maps.mask[0]),
        "normals, back": _picture(normals[1], maps.mask[1]),
        "places, star pose": _picture(places[0], maps.mask[0]),
    }
    # the pose that is farthest from the mean
    spread = (frames.poses - frames.poses.mean(0)).flatten(1).norm(dim=1)
    row = int(spread.argmax())
    seen = position_map(maps, frames.poses[row])
    caption = f"what the networks see, frame {frames.frames[row]}"
    found[caption] = _picture(seen / (2 * REACH) + 0.5, maps.mask[0, ::2, ::2])
    return found


def _picture(values: Tensor, mask: Tensor) -> np.ndarray:
    """Values [3, S, S] in 0-1 over white, where nobody is."""
    shown = torch.where(mask, values.clamp(0, 1), 1.0)
    return (shown * 255).round().byte().movedim(0, -1).numpy()
