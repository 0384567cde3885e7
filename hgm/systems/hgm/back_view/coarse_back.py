"""The coarse model seen from behind, for the ControlNet's pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.reconstruction import Reconstructor


class BackRenderer:
    """Renders the back of a training scan as the coarse model imagines it from the front view."""

    def __init__(
        self, coarse: HGM, *, size: int, device: str, backend: str, precision: str
    ) -> None:
        self.reconstructor = Reconstructor(
            coarse, None, None, size=size, device=device, backend=backend, precision=precision
        )

    def render(self, folder: Path, views: Viewpoints) -> Tensor:
        """[3, H, W] over white, seen by the camera of the back view of the scan in `folder`."""
        with np.load(folder / "smplx.npz", allow_pickle=False) as data:
            vertices = torch.from_numpy(data["vertices"].astype(np.float32))
        image = load_image(view_path(folder, "rgb", views.front))
        coarse = self.reconstructor.coarse_gaussians(image, vertices, views.cameras[views.front])
        return self.reconstructor.seen_by(views.cameras[views.back], coarse)[0]
