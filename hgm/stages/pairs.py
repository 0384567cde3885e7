"""The coarse model seen from behind, for the ControlNet's pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import VIEWS
from hgm.nets import HGM
from hgm.stages.reconstruction import Reconstructor
from hgm.train.data import turned
from hgm.views import load_image, view_path


class OppositeRenderer:
    """Renders a training scan from opposite of an input view, as the coarse model imagines it."""

    def __init__(self, coarse: HGM, *, size: int, device: str, backend: str, precision: str) -> None:
        self.reconstructor = Reconstructor(coarse, None, None, size=size, device=device, backend=backend, precision=precision)

    def render(self, folder: Path, view: int) -> Tensor:
        """[3, H, W] over white, seen from opposite of input view `view` of the scan in `folder`."""
        with np.load(folder / "smplx.npz", allow_pickle=False) as data:
            vertices = turned(torch.from_numpy(data["vertices"].astype(np.float32)), -360.0 / VIEWS * view)
        image = load_image(view_path(folder, "rgb", view))
        return self.reconstructor.back_of(self.reconstructor.coarse_gaussians(image, vertices))[0]
