"""The files written for a subject: section `reconstruct`."""

from __future__ import annotations

from hgm.core.settings import Section, described


class Reconstruct(Section):
    """Sizes of the renders of a result."""

    size: int = described(512, "edge of the novel views in pixels (paper)", ge=16)
    turntable_size: int = described(512, "edge of the turntable's frames in pixels", ge=16)
    turntable_frames: int = described(180, "frames of the turntable", ge=2)
