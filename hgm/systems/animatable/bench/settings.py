"""The settings of a benchmark run, from the options of `hgm bench`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hgm.errors import InputError
from hgm.systems.animatable.avatar import AvatarDesign
from hgm.systems.animatable.nets.attributes import PRECISIONS
from hgm.systems.animatable.settings import Config
from hgm.workflow.configuration import preset

PRESETS = {"tiny": "tiny", "small": "demo", "paper": None}  # their files; None: the defaults


@dataclass(frozen=True)
class Settings:
    """The settings of one run. Raises InputError for an unknown value, and for an option that
    avatars do not have."""

    preset: str = "small"
    device: str = "cpu"  # resolved: not "auto"
    precision: str = "fp32"
    compile: bool = False
    samples: int | None = None  # a training step sees one picture
    repeats: int = 5
    base: Path | None = None
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("--preset", self.preset, PRESETS),
            ("--precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise InputError(
                    f"{name}: {value!r} is unknown; expected one of {', '.join(known)}"
                )
        if self.compile or self.base is not None or self.samples not in (None, 1):
            raise InputError(
                "--compile, --base, --batch: avatars are trained by one picture a step, without "
                "compilation and without a diffusion model; leave these options out"
            )
        if self.repeats < 1:
            raise InputError(f"--repeats: {self.repeats}; expected 1 or more")
        object.__setattr__(self, "config", preset("animatable", PRESETS[self.preset]))

    @property
    def design(self) -> AvatarDesign:
        """Of the whole avatar."""
        network = self.config.network.model_copy(update={"precision": self.precision})
        settings = self.config.avatar
        return AvatarDesign.of(network, self.config.maps.size, settings.opacity, "full")

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtypes(self) -> list[torch.dtype]:
        return [PRECISIONS[self.precision]]

    @property
    def summary(self) -> str:
        """What was timed, in a line."""
        config = self.config
        picture = config.standin
        return (
            f"preset {self.preset}: maps of {config.maps.size}, channels {config.network.top} to "
            f"{config.network.cap}, pictures of {picture.width} x {picture.height}, "
            f"films of {config.animate.size} px, {self.precision}"
        )

    def described(self) -> dict[str, Any]:
        return {"preset": self.preset, "precision": self.precision}
