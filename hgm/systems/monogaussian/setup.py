"""What several jobs are set up from: clips, the head of their subject."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hgm.body.flame import HeadModel
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_file import read_clip
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
