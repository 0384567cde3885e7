"""What several jobs are set up from: clips, the head of their subject, a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from hgm.body.flame import HeadModel
from hgm.systems.monogaussian.clip import Clip, read_clip
from hgm.systems.monogaussian.subject import SubjectHead
from hgm.systems.monogaussian.variants import RELEASED, VARIANTS, Variant


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


def variant_of(name: str, compat: str) -> Variant:
    """The variant of this name; with the release's faults where `compat` is "released"."""
    variant = VARIANTS[name]
    return replace(variant, released=RELEASED) if compat == "released" else variant
