"""Which frames and cameras of a capture are for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hgm.errors import InputError
from hgm.systems.animatable.layout import frames_of
from hgm.systems.animatable.settings import Capture

Kind = Literal["train", "test"]
Shot = tuple[str, int]  # a camera and a frame


@dataclass(frozen=True)
class Footage:
    """Frames that are seen by cameras."""

    frames: tuple[int, ...]
    cameras: tuple[str, ...]

    def shots(self, every: int = 1) -> list[Shot]:
        """Camera and frame of each picture, of every so many frames, frame by frame."""
        return [(camera, frame) for frame in self.frames[::every] for camera in self.cameras]


def footage_of(
    section: Capture, cameras: Sequence[str], kind: Kind, *, held_out: bool | None = None
) -> Footage:
    """The frames that a section names to train or to test on, of a capture that has these cameras:
    seen by those trained on, by those held out (`held_out`), or by both where it is None, those
    trained on first.

    Raises InputError for a camera that the capture lacks, for one that is both trained on and held
    out, and where none is left to train on.
    """
    apart = tuple(dict.fromkeys(section.held_out))
    for key, names in (("cameras", section.cameras), ("held_out", apart)):
        for name in names:
            if name not in cameras:
                raise InputError(
                    f"capture.{key}: {name} is no camera of the capture; it has "
                    f"{', '.join(cameras)}"
                )
    trained = tuple(dict.fromkeys(section.cameras)) or tuple(c for c in cameras if c not in apart)
    if not trained:
        raise InputError("capture.held_out: names all cameras; leave some to train on")
    chosen = {False: trained, True: apart, None: (*trained, *apart)}[held_out]
    return Footage(tuple(frames_of(getattr(section, kind))), chosen)
