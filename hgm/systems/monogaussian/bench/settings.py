"""The settings of a benchmark run, from the options of `hgm bench`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hgm.errors import InputError
from hgm.systems.monogaussian.settings import Config
from hgm.workflow.configuration import preset

PRESETS = {"tiny": "tiny", "small": "demo", "paper": None}  # their files; None: the defaults


@dataclass(frozen=True)
class Settings:
    """The settings of one run. Raises InputError for an unknown value, and for an option that head
    avatars do not have."""

    preset: str = "small"
    device: str = "cpu"  # resolved: not "auto"
    precision: str = "fp32"
    compile: bool = False
    samples: int | None = None  # frames in a training step; None: the preset's
    repeats: int = 5
    base: Path | None = None
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise InputError(
                f"--preset: {self.preset!r} is unknown; expected one of {', '.join(PRESETS)}"
            )
        if self.precision != "fp32" or self.compile or self.base is not None:
            raise InputError(
                "--precision, --compile, --base: head avatars are trained in float32, without "
                "compilation and without a diffusion model; leave these options out"
            )
        for name, value in (("--batch", self.samples or 1), ("--repeats", self.repeats)):
            if value < 1:
                raise InputError(f"{name}: {value}; expected 1 or more")
        object.__setattr__(self, "config", preset("monogaussian", PRESETS[self.preset]))

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtypes(self) -> list[torch.dtype]:
        return [torch.float32]

    @property
    def summary(self) -> str:
        """What was timed, in a line."""
        avatar = self.config.avatar
        return (
            f"preset {self.preset}: {self.config.video.size} px, widths {avatar.deformer_width}, "
            f"{avatar.geometry_width}, {avatar.correction_width}"
        )

    def described(self) -> dict[str, Any]:
        return {"preset": self.preset, "batch": self.samples}
