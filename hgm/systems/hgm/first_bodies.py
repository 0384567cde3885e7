"""Sources of the first bodies of test subjects: the true fits disturbed, landmarks of the front
views, files that a user brings, or the results of an external program on the front views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hgm.body.estimators.files import estimate_files
from hgm.body.estimators.programs import PROGRAMS, picture_name
from hgm.body.model import BodyModel
from hgm.core.items import outcome_in
from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.images.photos.pose.published import NETWORKS
from hgm.systems.hgm.bodies import estimate_subject, given_subject
from hgm.systems.hgm.estimators import people_folder
from hgm.systems.hgm.landmarks import LandmarkBodies


class Source(Protocol):
    """One source of first bodies."""

    def identity(self, subject: str) -> Any:
        """What decides the body of a subject besides the views, as plain data for a key."""

    def write(self, subject: str, views: Path, model: BodyModel, out: Path, *, seed: int) -> None:
        """Write the body of a subject to the folder `out`; `views` is the folder of its views.
        Raises InputError where there is none."""


def source_of(name: str, section: Mapping[str, Any], files: Sequence[Path]) -> Source:
    """The source with a name in section `estimate` of the configuration. For a program, `files`
    holds its manifest."""
    if name in PROGRAMS:
        return Found(files[0])
    if name == "landmarks":
        return Seen(LandmarkBodies())
    return Given(Path(section["folder"])) if name == "fits" else Disturbed(section["mpjpe_mm"])


@dataclass(frozen=True)
class Disturbed:
    """The true fits, with noise of so many millimeters of MPJPE."""

    mpjpe_mm: float

    def identity(self, subject: str) -> Any:
        return self.mpjpe_mm

    def write(self, subject: str, views: Path, model: BodyModel, out: Path, *, seed: int) -> None:
        estimate_subject(views, model, out, seed=seed, mpjpe_mm=self.mpjpe_mm)


@dataclass(frozen=True)
class Seen:
    """What MediaPipe Pose sees in the front views."""

    bodies: LandmarkBodies

    def identity(self, subject: str) -> Any:
        return [network.sha256 for network in NETWORKS]

    def write(self, subject: str, views: Path, model: BodyModel, out: Path, *, seed: int) -> None:
        self.bodies.write(views, model, out)


@dataclass(frozen=True)
class Given:
    """A folder of a user with an estimator's files."""

    folder: Path

    def identity(self, subject: str) -> Any:
        return [file_digest(path) for path in estimate_files(self.folder, [subject])]

    def write(self, subject: str, views: Path, model: BodyModel, out: Path, *, seed: int) -> None:
        given_subject(self.folder, views, model, out)


@dataclass(frozen=True)
class Found:
    """The results of a program, in the folder beside its manifest."""

    manifest: Path

    def identity(self, subject: str) -> Any:
        return outcome_in(self.manifest).members.get(subject)

    def write(self, subject: str, views: Path, model: BodyModel, out: Path, *, seed: int) -> None:
        seen = outcome_in(self.manifest)
        if subject not in seen.members:
            unknown = f"{self.manifest}: does not name {subject}; delete it and run again"
            raise InputError(seen.failed.get(subject, unknown))
        folder = people_folder(self.manifest) / subject
        given_subject(folder, views, model, out, name=picture_name(subject))
