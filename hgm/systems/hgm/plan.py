"""What HGM's rules need to know about a configuration, as plain values; it imports no heavy
package."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hgm.body.estimators.files import estimate_files
from hgm.body.estimators.programs import PROGRAMS, Installed
from hgm.errors import InputError
from hgm.images.photos.sources import Photo, find_photos
from hgm.scans.data_views import NEEDS_NO_NORMALS, WITHOUT_NORMALS
from hgm.systems.hgm import requests
from hgm.systems.hgm.baseline_files import baseline_files
from hgm.systems.hgm.starter import check_init, init_files, init_folder
from hgm.systems.hgm.variants import ORDER, VARIANTS
from hgm.workflow.people import PeoplePlan
from hgm.workflow.plan import check_pattern

log = logging.getLogger(__name__)


class Plan(PeoplePlan):
    """The plan of a run of HGM."""

    ON_DEVICE = requests.ON_DEVICE

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.photos = _photos(self.config["images"])
        for name, folder in self.baselines.items():
            check_pattern(f"evaluate.baselines.{name}", folder)
        self._said: set[str] = set()
        self._check_first_bodies()
        self._check_init()
        if (
            self.own_normals
            and self.config["scans"]["source"] in WITHOUT_NORMALS
            and self.training_chunks
        ):
            raise InputError(
                f"scans.source: the views of {self.config['scans']['source']} come without "
                f"normals to train a net on; {NEEDS_NO_NORMALS}"
            )

    def _check_first_bodies(self) -> None:
        """Raises InputError where the configuration does not name the folder of an estimator or of
        its files, or where Snakemake would misread its path. Whether the folder exists is checked
        only in a run that needs it."""
        section = self.config["estimate"]
        for name in {
            *self.estimators,
            *([self.photo_estimator] if self.photos_to_estimate and self.photo_estimator else []),
        }:
            check_pattern(f"estimate.{name}", str(Installed.configured(name, section).checkout))
            check_pattern(f"estimate.{name}_python", section[f"{name}_python"])
        if section["source"] == "fits":
            if section["folder"] is None:
                raise InputError(
                    "estimate.folder: source: fits needs the folder of an estimator's files "
                    "(docs/estimators.md)"
                )
            check_pattern("estimate.folder", section["folder"])

    def _check_init(self) -> None:
        """Raises InputError where the folder that `init` names is none of networks, or Snakemake
        would misread its path."""
        init = self.config["init"]
        if init is not None:
            check_pattern("init", str(init_folder(init)))
            if self.users([init]):
                check_init(init)

    @property
    def listed(self) -> Any:
        """The scans with split and chunk, and the photos with their files."""
        return [super().listed, [[photo.name, *map(str, photo.files)] for photo in self.photos]]

    def people(self, rule: str, wildcards: Mapping[str, str]) -> Sequence[str]:
        """The scans of a chunk; for photos all of them, or, for an estimator, those without a
        body."""
        if rule == "photos":
            return [photo.name for photo in self.photos]
        if wildcards.get("people") == "photos":
            return [photo.name for photo in self.photos_to_estimate]
        return self.members(wildcards.get("chunk", wildcards.get("people", "")))

    @property
    def own_normals(self) -> bool:
        """Whether the run trains its own normal net: where bodies or meshes are refined by normals
        and no published net is configured."""
        return self.config["normals"]["icon"] is None and bool(
            self.refining_normals or self.meshing_normals
        )

    @property
    def refining_normals(self) -> dict[str, Any]:
        """Section `normals` for the refinement of bodies; empty where that uses no normals, so that
        a change of the section does not rerun it."""
        return self.config["normals"] if self.config["refine"]["normal"] > 0 else {}

    @property
    def meshing_normals(self) -> bool:
        """Whether meshes are refined by normals."""
        return self.config["mesh"]["refine_steps"] > 0

    @property
    def warm_start(self) -> bool:
        """Whether the fusion training starts from the coarse weights."""
        return self.config["init"] is None and self.config["fusion"]["warm_start"]

    def start(self, training: str, branch: str = "") -> list[str]:
        """The files of other networks that a training starts from, by `init`; none where it starts
        from random weights. Logs an error for one that is missing, before Snakemake reports a
        missing input."""
        init = self.config["init"]
        if init is None or (training == "base" and self.config["base"]["folder"] is not None):
            return []
        found = self.users(init_files(init, training, branch))
        for file in found:
            if not Path(file).is_file():
                self._complain(f"init: {file}: no such file; {init} holds no whole {training}")
        return found

    @property
    def unconverged_backs(self) -> bool:
        """Whether the fusion training takes renders of the pairs as back views."""
        return self.config["fusion"]["back_share"] > 0

    @property
    def variants(self) -> list[str]:
        return self.config["evaluate"]["variants"]

    @property
    def main_variant(self) -> str | None:
        """The variant that the report presents. The simple baselines are measured once, with this
        variant."""
        return min(self.variants, key=ORDER.index, default=None)

    @property
    def baselines(self) -> dict[str, str]:
        """Other methods: name -> folder of results."""
        return self.config["evaluate"]["baselines"]

    def baseline_files(self, method: str, chunk: str) -> list[str]:
        """Another method's files for the subjects of a chunk, as far as they exist."""
        return self.users(baseline_files(self.baselines[method], self.members(chunk)))

    @property
    def estimators(self) -> list[str]:
        """The programs that estimate first bodies of test people in this run, in the order of
        hgm.body.estimators."""
        asked = {VARIANTS[name].source(self.config["estimate"]) for name in self.variants}
        return [name for name in PROGRAMS if name in asked]

    @property
    def photo_estimator(self) -> str | None:
        """The program that estimates bodies of photos without one; None where the variant of the
        photos needs no program."""
        variant = VARIANTS[self.photo_variant]
        source = variant.source(self.config["estimate"])
        return source if variant.body and source in PROGRAMS else None

    @property
    def photos_to_estimate(self) -> list[Photo]:
        """The photos for which a program estimates a body: those without a body file."""
        return (
            [photo for photo in self.photos if photo.body is None] if self.photo_estimator else []
        )

    def first_source(self, suffix: str) -> str:
        """The source of the first bodies in a folder, by the suffix of the folder's name
        (hgm.systems.hgm.variants)."""
        return next(
            (v.estimator for v in VARIANTS.values() if v.first == suffix and suffix),
            self.config["estimate"]["source"],
        )

    def refining(self, suffix: str) -> dict[str, Any]:
        """Section `refine` for the refined bodies in a folder, by the suffix of the folder's
        name."""
        return next(
            v.refining(self.config["refine"]) for v in VARIANTS.values() if v.side_views == suffix
        )

    def estimator_files(self, name: str) -> list[str]:
        """The files of a program's checkout that decide its results. Logs an error that explains
        which one is missing, before Snakemake reports a missing input."""
        found = self.users(Installed.configured(name, self.config["estimate"]).files)
        if found:
            try:
                Installed.of(name, self.config["estimate"])
            except InputError as error:
                self._complain(str(error))
        return found

    def estimator_python(self, name: str) -> list[str]:
        """The interpreter of a program's environment."""
        return self.users([Installed.configured(name, self.config["estimate"]).python])

    @property
    def photo_files(self) -> list[str]:
        """The photos that the configuration names, and the masks and bodies beside them."""
        return self.users(file for photo in self.photos for file in photo.files)

    def _complain(self, line: str) -> None:
        """Log an error once, however often Snakemake evaluates the inputs."""
        if line not in self._said:
            self._said.add(line)
            log.error("configuration: %s", line)

    def given_bodies(self, chunk: str) -> list[str]:
        """Files of first bodies that a user brings for the people of a chunk, as far as they
        exist."""
        return self.users(estimate_files(self.config["estimate"]["folder"], self.members(chunk)))

    @property
    def measuring(self) -> dict[str, Any]:
        """The settings of measurements. The lists of variants and methods are not among them, so
        that a longer list reruns no other job."""
        return {"surface_samples": self.config["evaluate"]["surface_samples"]}

    @property
    def photo_variant(self) -> str:
        """The variant that reconstructs photos: the first one that the configuration names."""
        return self.variants[0] if self.variants else "full"

    def gpus(self, rule: str) -> int:
        """GPUs of a job."""
        return requests.gpus(self.config, rule)

    def threads(self, rule: str) -> int:
        """Threads of a job."""
        return requests.threads(self.config, rule)

    def memory(self, rule: str) -> int:
        """Megabytes of host memory of a job."""
        return requests.memory_mb(self.config, rule, Counter(entry.split for entry in self.entries))


def _photos(places: list[str]) -> list[Photo]:
    """The photos that `images` names. Raises InputError for a photo that does not exist."""
    try:
        photos = find_photos([Path(place) for place in places])
    except InputError as error:
        raise InputError(f"images: {error}") from None
    for photo in photos:
        if not photo.path.is_file():
            raise InputError(f"images: {photo.path}: no such file or folder; expected photos")
        for file in photo.files:
            check_pattern("images", str(file))
    return photos
