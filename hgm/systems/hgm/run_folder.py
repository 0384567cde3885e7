"""The files that HGM adds to the folder of a run, and the networks that a job or a command finds
there."""

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
    """The paths of a run of HGM."""

    def coarse(self, branch: str = "") -> Path:
        """Folder of the one-view HGM; `branch` is that of a variant
        (`hgm.systems.hgm.variants`)."""
        return self.path / f"coarse{branch}"

    def fusion(self, branch: str = "") -> Path:
        """Folder of the two-view HGM; `branch` as for `coarse`."""
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
        """The net that predicts normals from a picture."""
        return self.path / "normals"

    @property
    def pairs(self) -> Path:
        """The training pairs of the ControlNet, a folder for each scan."""
        return self.path / "pairs"

    def bodies(self, name: str) -> Path:
        """First or refined bodies: a folder for each person, and a manifest for each chunk."""
        return self.path / "bodies" / name

    def rivals(self, method: str) -> Path:
        """The measured results of another method."""
        return self.path / "baselines" / method

    def networks(self, variant: Variant) -> Networks:
        """The folders of the networks of a variant, whether they exist or not."""
        return Networks(
            coarse=self.coarse(variant.branch),
            fusion=self.fusion(variant.branch) if variant.two_view else None,
            base=self.base if variant.diffusion else None,
            controlnet=self.controlnet if variant.diffusion else None,
            normals=self.normals,
        )


@dataclass(frozen=True)
class Networks:
    """Folders of the networks of a variant; None for those that it, or the job, does not use."""

    coarse: Path | None = None
    fusion: Path | None = None
    base: Path | None = None
    controlnet: Path | None = None
    normals: Path | None = None

    @classmethod
    def of(cls, job: Job) -> Networks:
        """The networks among the inputs of a job."""
        base, controlnet = [path.parent for path in job.paths("back_view")] or (None, None)
        return cls(
            coarse=_folder(job, "coarse"),
            fusion=_folder(job, "fusion"),
            base=base,
            controlnet=controlnet,
            normals=_folder(job, "normals"),
        )

    def files(self, *, normals: bool) -> list[Path]:
        """The files that decide what the networks do, with or without the run's own net of
        normals. The manifests hold a hash of all that their networks consist of."""
        trained = [self.coarse, self.fusion, self.normals if normals else None]
        diffusion = ((self.base, "model_index.json"), (self.controlnet, "config.json"))
        return [
            *(folder / name for folder in trained if folder for name in (WEIGHTS, "model.json")),
            *(
                folder / name
                for folder, index in diffusion
                if folder
                for name in (index, "manifest.json")
            ),
        ]

    def require(self, variant: str, *, normals: bool) -> None:
        """Raises InputError unless the networks of a variant exist, and, with `normals`, the run's
        own net of normals."""
        for file in self.files(normals=normals):
            if not file.is_file():
                raise InputError(
                    f"{file}: no such file, which variant {variant} needs; finish the run (with "
                    "this variant in evaluate.variants) or choose another with --variant"
                )


def _folder(job: Job, name: str) -> Path | None:
    """The folder of an optional input of a job; None where the job does not have it."""
    return next((path.parent for path in job.paths(name)), None)
