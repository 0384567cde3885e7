"""What a step of a training sees: rectified pairs, and views between their cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.errors import InputError
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.released import weighted_target
from hgm.systems.posegaussian.rig import NOVEL

HALFWAY = 3  # the view between that is the same of all pairs

# both heat maps of a pair as they were before rectification, uint8 [2, S, S, C]
HeatOf = Callable[[int], np.ndarray]


class Pairs(Protocol):
    """Rectified pairs with their views between (`hgm.systems.posegaussian.dataset`)."""

    def __len__(self) -> int: ...
    def pair(self, index: int) -> RectifiedPair: ...
    def novel(self, index: int, view: int) -> NovelView: ...


@dataclass(frozen=True)
class Sample:
    """Pairs, and what else is asked for of each: its heat maps before rectification, and the
    picture and camera of a view between."""

    pairs: Sequence[RectifiedPair]
    heat: Sequence[np.ndarray] = ()
    pictures: Sequence[Tensor] = ()
    cameras: Sequence[Cameras] = ()

    def __getitem__(self, part: slice) -> Sample:
        return Sample(*(getattr(self, field.name)[part] for field in dataclasses.fields(self)))

    def batch(self, device: torch.device | str) -> StereoBatch:
        """The pairs, with the released target where there are heat maps for it. Raises InputError
        for pairs whose depth is not known."""
        batch = StereoBatch.of(self.pairs, device)
        if batch.flow is None or batch.valid is None:
            raise InputError(
                "rectified pairs: one to train by has no depth; expected depth/<pair>/0.png and "
                "1.png beside img"
            )
        if not self.heat:
            return batch
        views = torch.from_numpy(np.stack(self.heat, 1)).flatten(0, 1).movedim(-1, 1)
        flow, valid = weighted_target(batch.flow, batch.valid, views.to(device))
        return dataclasses.replace(batch, flow=flow, valid=valid)

    def novel(self, device: torch.device | str) -> tuple[Tensor, Cameras]:
        """The pictures [B, 3, 2S, 2S] of the views between, and their cameras [B]."""
        first = self.cameras[0]
        cameras = Cameras(
            torch.cat([camera.K for camera in self.cameras]),
            torch.cat([camera.world_to_camera for camera in self.cameras]),
            first.width,
            first.height,
        )
        return torch.stack(list(self.pictures)).to(device), cameras.to(device)


def sample_of(
    pairs: Pairs, indices: Sequence[int], views: Sequence[int] = (), heat: HeatOf | None = None
) -> Sample:
    """Some pairs; with one view between of each where views are named, and with the heat maps that
    `heat` reads."""
    novel = [pairs.novel(i, view) for i, view in zip(indices, views, strict=False)]
    return Sample(
        [pairs.pair(i) for i in indices],
        [heat(i) for i in indices] if heat is not None else (),
        [view.rgb for view in novel],
        [view.camera for view in novel],
    )


def drawn(seed: int, stage: str, micro: int, batch: int, pairs: int) -> tuple[list[int], list[int]]:
    """The pairs of a micro-batch and a view between of each. All pairs take their turns in random
    order before one comes again."""
    indices = []
    for place in range(micro * batch, (micro + 1) * batch):
        turn = derived_seed(seed, stage, "order", place // pairs)
        order = torch.randperm(pairs, generator=torch.Generator().manual_seed(turn))
        indices.append(int(order[place % pairs]))
    chosen = torch.Generator().manual_seed(derived_seed(seed, stage, "view", micro))
    views = torch.randint(len(NOVEL), (batch,), generator=chosen)
    return indices, [NOVEL[int(view)] for view in views]
