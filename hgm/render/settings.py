"""How scans become pictures: the section `rendering` of a configuration."""

from __future__ import annotations

from typing import Literal

from hgm.core.settings import Section, described


class Rendering(Section):
    """Size and quality of the views of a scan."""

    size: int = described(512, "edge of the rendered images in pixels (paper)", ge=16)
    samples: int = described(16, "samples of Cycles for each pixel (not published)", ge=1)
    device: Literal["cpu", "gpu", "auto"] = described(
        "cpu", "device of Cycles; pixels of a GPU differ in the last bits"
    )
