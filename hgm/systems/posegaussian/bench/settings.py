"""The settings of a benchmark run, from the options of `hgm bench`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hgm.errors import InputError
from hgm.systems.posegaussian.network import PRECISIONS, Design
from hgm.systems.posegaussian.settings import Config
from hgm.workflow.configuration import preset

PRESETS = {"tiny": "tiny", "small": "demo", "paper": None}  # their files; None: the defaults


@dataclass(frozen=True)
class Settings:
    """The settings of one run. Raises InputError for an unknown value, and for an option that
    stereo pairs do not have."""

    preset: str = "small"
    device: str = "cpu"  # resolved: not "auto"
    precision: str = "fp32"
    compile: bool = False
    samples: int | None = None  # pairs in a training step; None: the preset's
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
        if self.compile or self.base is not None:
            raise InputError(
                "--compile, --base: stereo pairs are matched without compilation and without a "
                "diffusion model; leave these options out"
            )
        for name, count in (("--batch", self.samples), ("--repeats", self.repeats)):
            if count is not None and count < 1:
                raise InputError(f"{name}: {count}; expected 1 or more")
        object.__setattr__(self, "config", preset("posegaussian", PRESETS[self.preset]))

    def design(self, *, maps: bool) -> Design:
        """Of the network with a learned fusion."""
        network = self.config.network.model_copy(update={"precision": self.precision})
        return Design.of(network, "learned", maps=maps)

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtypes(self) -> list[torch.dtype]:
        return [PRECISIONS[self.precision]]

    @property
    def summary(self) -> str:
        """What was timed, in a line."""
        size = self.config.pairs.size
        return (
            f"preset {self.preset}: {size} px, views of {2 * size} px, widths "
            f"{self.config.network.preset}, {self.precision}"
        )

    def described(self) -> dict[str, Any]:
        return {"preset": self.preset, "precision": self.precision, "batch": self.samples}
