"""What the cameras of a pair, and those between them, really see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.systems.posegaussian.dataset import NovelView, camera_of, picture_of, place_of
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.rig import NOVEL


def novel_cameras(files: PairFiles, size: int) -> dict[int, Cameras]:
    """The cameras [1] of the views between, of pictures of twice the photos' `size`, by number.
    Raises ScanError for a file that is missing or damaged."""
    return {view: camera_of(files, view, size) for view in NOVEL}


def true_views(files: PairFiles, pair: RectifiedPair) -> dict[int, NovelView]:
    """The views between the cameras of a pair, by number. Raises InputError for what is wrong with
    their files."""
    found = {}
    for view in NOVEL:
        values = picture_of(files, view, pair.size).float() / 255
        camera, ratio = place_of(files, view, pair, pair.size)
        found[view] = NovelView(values[:3], camera, values[3:], ratio)
    return found


def photos_of(files: PairFiles, pair: RectifiedPair) -> Tensor:
    """Both photos [2, 3, S, S] in 0-1 over black, as they were taken, the left one first. Raises
    ScanError as `true_views`."""
    return torch.stack([_tensor(files.picture(v)[0]) for v in pair.order_of(files.poses())])


def _tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, C] -> [C, H, W] in 0-1."""
    return torch.from_numpy(picture).movedim(-1, 0).float() / 255
