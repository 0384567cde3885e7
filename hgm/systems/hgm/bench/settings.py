"""The settings of a benchmark run, from the options of `hgm bench`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hgm.errors import InputError
from hgm.systems.hgm.bench.sizes import PRESETS, Sizes
from hgm.systems.hgm.networks.hgm import PRECISIONS

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Networks:
    """How the networks run."""

    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = False

    def __str__(self) -> str:
        parts = [
            self.precision,
            "channels last" if self.channels_last else "",
            "compiled" if self.compile else "",
        ]
        return ", ".join(part for part in parts if part)


PLAIN = Networks()  # eager, in torch's default memory layout


@dataclass(frozen=True)
class Settings:
    """The settings of one run. Raises InputError for an unknown value."""

    preset: str = "small"
    device: str = "cpu"  # resolved: not "auto"
    precision: str = "fp32"  # of the networks, or "bf16"
    compile: bool = False
    samples: int | None = None  # in a training step; None: the preset's
    repeats: int = 5
    # Stable Diffusion as a diffusers folder; None: random weights
    base: Path | None = None

    def __post_init__(self) -> None:
        for name, known in (("preset", PRESETS), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"--{name}: {getattr(self, name)!r} is unknown; expected one of "
                    f"{', '.join(known)}"
                )
        if self.device.split(":")[0] not in DEVICES:
            raise InputError(
                f"--device: {self.device!r} is unknown; expected auto, {' or '.join(DEVICES)}"
            )
        for name, value in (("--batch", self.batch), ("--repeats", self.repeats)):
            if value < 1:
                raise InputError(f"{name}: {value}; expected 1 or more")

    @property
    def sizes(self) -> Sizes:
        return PRESETS[self.preset]

    @property
    def batch(self) -> int:
        return self.sizes.batch if self.samples is None else self.samples

    @property
    def on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def networks(self) -> Networks:
        """The networks as the options say, in the memory layout that suits the device's
        convolutions."""
        return Networks(self.precision, self.compile, channels_last=self.on_cuda)

    @property
    def dtypes(self) -> list[torch.dtype]:
        """The precisions whose rate is measured: float32, that of the networks and, on CUDA, where
        diffusion runs in 16 bits, bf16."""
        names = {"fp32", self.precision, *(["bf16"] if self.on_cuda else [])}
        return [PRECISIONS[name] for name in sorted(names)]

    @property
    def summary(self) -> str:
        """What was timed, in a line."""
        return (
            f"preset {self.preset}; networks {self.networks}; training batch {self.batch}, "
            f"{self.sizes.supervised} views"
        )

    def described(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "precision": self.precision,
            "compile": self.compile,
            "networks": str(self.networks),
            "batch": self.batch,
            "supervised": self.sizes.supervised,
        }
