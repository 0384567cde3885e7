"""What a training reads of its scans: pictures, bodies, cameras and which view is what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.images.viewpoints import Viewpoints
from hgm.train.pictures import Pictures


class ScanStore:
    """What a training reads of its scans. `pictures`: those that it shares with others; its own by
    default.

    Threads may share a store.
    """

    def __init__(self, folders: Sequence[Path], pictures: Pictures | None = None) -> None:
        if not folders:
            raise InputError(
                "training: no rendered scan was found; see rejected.tsv for what was set aside"
            )
        self.folders = [Path(f) for f in folders]
        self.pictures = Pictures(self.folders) if pictures is None else pictures
        self._bodies: dict[int, Tensor] = {}
        self._views: dict[int, Viewpoints] = {}

    def __len__(self) -> int:
        return len(self.folders)

    def view(self, scan: int, index: int) -> tuple[Tensor, Tensor]:
        """rgb uint8 [3, H, W] and mask uint8 [1, H, W]."""
        return self.pictures.view(self.folders[scan], index)

    def body(self, scan: int) -> Tensor:
        """Body vertices float32 [P, 3] in normalized units."""
        if scan not in self._bodies:
            with np.load(self.folders[scan] / "smplx.npz", allow_pickle=False) as data:
                self._bodies[scan] = torch.from_numpy(data["vertices"].astype(np.float32))
        return self._bodies[scan]

    def viewpoints(self, scan: int) -> Viewpoints:
        """Which view is what; found once a scan, since each sample asks."""
        if scan not in self._views:
            self._views[scan] = Viewpoints.of(self.cameras(scan), self.folders[scan])
        return self._views[scan]

    def cameras(self, scan: int) -> Cameras:
        """The cameras [V] of its views."""
        return self.pictures.cameras(self.folders[scan])
