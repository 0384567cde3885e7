"""What jobs are set up from: clips, the head of their subject."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hgm.body.flame import HeadModel
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_file import read_clip, read_lone
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.footage import Footage
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


def head_of(avatar: HeadAvatar, model: Path, clip: Clip) -> SubjectHead:
    """The head of an avatar's subject, with the mean expression of its training, by the shape of
    any clip of the subject."""
    shape = torch.from_numpy(clip.shape)
    return SubjectHead.of(HeadModel.load(model), shape, avatar.skeleton.expression.cpu())


def lone_footage(clip: Clip, size: int) -> Footage | None:
    """The lone expressions of a stand-in's clip; None where it has none."""
    lone = read_lone(clip.folder)
    return None if lone is None else Footage.of(lone, ClipPictures([lone], size), size)
