"""What the cameras of a pair, and those between them, really see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.rig import NOVEL, ratio_of


def novel_cameras(files: PairFiles, size: int) -> dict[int, Cameras]:
    """The cameras [1] of the views between, of pictures of twice the photos' `size`, by number.
    Raises ScanError for a file that is missing or damaged."""
    found = {}
    for view in NOVEL:
        K, w2c = (torch.from_numpy(x)[None].float() for x in files.camera(view))
        found[view] = Cameras(K, w2c, size, size).resized(2 * size)
    return found


def true_views(files: PairFiles, pair: RectifiedPair) -> dict[int, NovelView]:
    """The views between the cameras of a pair, by number. Raises ScanError as `novel_cameras`, and
    for pictures."""
    first, second = pair.source_world_to_camera
    found = {}
    for view, camera in novel_cameras(files, pair.size).items():
        mask = files.picture(view)[1].repeat(2, 0).repeat(2, 1)
        found[view] = NovelView(
            _tensor(files.large_picture(view)),
            camera,
            _tensor(mask[..., None]),
            ratio_of(first, second, files.camera(view)[1]),
        )
    return found


def photos_of(files: PairFiles, pair: RectifiedPair) -> Tensor:
    """Both photos [2, 3, S, S] in 0-1 over black, as they were taken, the left one first. Raises
    ScanError as `true_views`."""
    return torch.stack([_tensor(files.picture(v)[0]) for v in pair.order_of(files.poses())])


def _tensor(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, C] -> [C, H, W] in 0-1."""
    return torch.from_numpy(picture).movedim(-1, 0).float() / 255
