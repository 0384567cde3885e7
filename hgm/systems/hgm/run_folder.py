"""What HGM adds to the folder of a run, and the networks that a job or a command finds there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hgm.core.job import Job
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.systems.hgm.variants import Variant

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class HGMFolder(RunFolder):
    """The places of a run of HGM."""

    def coarse(self, branch: str = "") -> Path:
        """The one-view HGM; `branch` is a variant's (`hgm.systems.hgm.variants`)."""
        return self.path / f"coarse{branch}"

    def fusion(self, branch: str = "") -> Path:
        """The two-view HGM."""
        return self.path / f"fusion{branch}"

    @property
    def base(self) -> Path:
        """The latent diffusion model."""
        return self.path / "base"

    @property
    def controlnet(self) -> Path:
        return self.path / "controlnet"

    @property
    def normals(self) -> Path:
        """The net that reads normals from a picture."""
        return self.path / "normals"

    @property
    def pairs(self) -> Path:
        """What the ControlNet learns from, a folder for each scan."""
        return self.path / "pairs"

    def bodies(self, name: str) -> Path:
        """First or refined bodies, a folder for each person, and a manifest for each chunk."""
        return self.path / "bodies" / name

    def rivals(self, method: str) -> Path:
        """The measured results of another method."""
        return self.path / "baselines" / method

    def networks(self, variant: Variant) -> Networks:
        """The networks of a variant, there or not."""
        return Networks(
            coarse=self.coarse(variant.branch),
            fusion=self.fusion(variant.branch) if variant.two_view else None,
            base=self.base if variant.diffusion else None,
            controlnet=self.controlnet if variant.diffusion else None,
            normals=self.normals,
        )


@dataclass(frozen=True)
class Networks:
    """Folders of the networks of a variant; None for those that it does without."""

    coarse: Path
    fusion: Path | None = None
    base: Path | None = None
    controlnet: Path | None = None
    normals: Path | None = None

    @classmethod
    def of(cls, job: Job) -> Networks:
        """Those that are inputs of a job."""
        base, controlnet = [path.parent for path in job.paths("back_view")] or (None, None)
        return cls(
            coarse=job.path("coarse").parent,
            fusion=input_folder(job, "fusion"),
            base=base,
            controlnet=controlnet,
            normals=input_folder(job, "normals"),
        )

    def require(self, variant: str, *, normals: bool) -> None:
        """Raise InputError unless the networks of a variant (and the run's own net of normals) are
        there."""
        needed = [self.coarse / WEIGHTS]
        needed += [self.fusion / WEIGHTS] if self.fusion else []
        needed += [self.base / "model_index.json"] if self.base else []
        needed += [self.controlnet / "config.json"] if self.controlnet else []
        needed += [self.normals / WEIGHTS] if normals and self.normals else []
        for file in needed:
            if not file.is_file():
                raise InputError(
                    f"{file}: no such file, which variant {variant} needs; finish the run (with "
                    "this variant in evaluate.variants) or choose another with --variant"
                )


def input_folder(job: Job, name: str) -> Path | None:
    """The folder of an input that a job may do without."""
    return next((path.parent for path in job.paths(name)), None)
