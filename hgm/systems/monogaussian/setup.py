"""What several jobs are set up from: clips, the head of their subject, other cameras' views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hgm.body.flame import HeadModel
from hgm.systems.monogaussian.clip import Clip, read_clip
from hgm.systems.monogaussian.evaluation import HeldOut
from hgm.systems.monogaussian.held_out import read_held_out
from hgm.systems.monogaussian.subject import SubjectHead


def clips_of(files: Sequence[Path], *, pictures: bool = True) -> list[Clip]:
    """The clips whose parameters are in these files."""
    return [read_clip(path.parent, pictures=pictures) for path in files]


def subject_head(model: Path, clip: Clip) -> SubjectHead:
    """The head of a clip's subject, with the mean expression of the clip."""
    return SubjectHead.of(
        HeadModel.load(model),
        torch.from_numpy(clip.shape),
        torch.from_numpy(clip.expression).mean(0),
    )


def held_out_views(clip: Clip, size: int) -> list[HeldOut]:
    """What other cameras saw of a clip's frames; nothing where there were none."""
    found = read_held_out(clip.folder)
    if found is None:
        return []
    rig = found.rig(size)
    return [
        HeldOut(camera, clip.names.index(frame), rig[i : i + 1], found.image(camera, frame, size))
        for i, camera in enumerate(found.cameras)
        for frame in found.frames
        if frame in clip.names
    ]
