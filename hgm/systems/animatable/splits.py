"""On which frames and cameras avatars are measured; none of the pictures is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TEST = "test"  # the held-out frames, also as a motion to drive by


@dataclass(frozen=True)
class Split:
    """Frames and cameras of one kind each."""

    title: str
    frames: Literal["train", "test"]
    held_out: bool  # whether the cameras are those held out


SPLITS: Mapping[str, Split] = {
    "novel_view": Split("held-out cameras, training poses", "train", True),
    "novel_pose": Split("held-out poses, training cameras", "test", False),
    "novel_both": Split("held-out poses, held-out cameras", "test", True),
}
