"""What the steps work with: device, backends, body model and the estimator of normals, each set up
here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hgm.body.model import BodyModel
from hgm.core.devices import select_device
from hgm.core.job import Job
from hgm.core.keys import file_digest
from hgm.core.run_folder import RunFolder
from hgm.scans.data_source import body_model, body_model_file
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.normal_estimators import NormalEstimator, estimator_digest, load_estimator
from hgm.systems.hgm.run_folder import Networks
from hgm.systems.hgm.variants import VARIANTS, Variant


@dataclass(frozen=True)
class SpareBody:
    """A body model that no file of a run holds."""

    load: Callable[[], BodyModel]
    digest: str  # hash of what it is made of


@dataclass(frozen=True)
class Equipment:
    """The settings and networks of one variant, and the device that all steps work on.

    Body model and estimator are loaded on that device when a step first asks for them, and then
    shared.
    """

    config: Mapping[str, Any]  # the sections of the resolved configuration that the steps read
    networks: Networks
    run: RunFolder  # holds the stand-ins' body models
    name: str  # of the variant
    device: str
    backends: Mapping[str, str]  # of `job_backends`
    spare_body: SpareBody | None = None  # in the place of the run's file

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        networks: Networks,
        run: RunFolder,
        variant: str,
        *,
        device: str,
        spare_body: SpareBody | None = None,
    ) -> Equipment:
        """`device` is that of the configuration or of the command: cpu, cuda or auto. Raises
        InputError where it or a backend does not work on this machine."""
        device = select_device(device)
        backends = job_backends(config, device)
        return cls(config, networks, run, variant, device, backends, spare_body)

    @classmethod
    def of_job(cls, job: Job) -> Equipment:
        """That of a rule's job. The variant is its wildcard or, of photos, its parameter; bodies
        that several variants share are refined as for `full`, by the section that the job has."""
        variant = job.params.get("variant", job.wildcards.get("variant", "full"))
        return cls.of(job.params, Networks.of(job), job.run, variant, device=job.params["device"])

    @property
    def variant(self) -> Variant:
        """Which parts of HGM are used."""
        return VARIANTS[self.name]

    @property
    def splat(self) -> str:
        """The backend that renders Gaussians."""
        return self.backends["splat"]

    @property
    def refines_by_normals(self) -> bool:
        """Whether normals of the picture pull the body."""
        return self.variant.refined and bool(self.config["refine"]["normal"] > 0)

    @property
    def meshes_by_normals(self) -> bool:
        """Whether normals of the pictures refine the mesh, where a body is known."""
        return bool(self.config["mesh"]["refine_steps"] > 0)

    @cached_property
    def body(self) -> BodyModel:
        """The body model of the fits."""
        if self.spare_body is not None:
            return self.spare_body.load().to(self.device)
        return body_model(self.config["scans"], self.run, self.device)

    @property
    def body_digest(self) -> str:
        """Hash of what `body` is made of, for keys."""
        if self.spare_body is not None:
            return self.spare_body.digest
        return file_digest(body_model_file(self.config["scans"], self.run))

    @cached_property
    def normals(self) -> NormalEstimator:
        """Who reads normals from pictures. Raises InputError where its weights are not there."""
        return load_estimator(
            self.config["normals"], self.networks.normals, device=self.device, backend=self.splat
        )

    @property
    def normals_digest(self) -> str:
        """Hash of the weights of `normals`, for keys."""
        return estimator_digest(self.config["normals"], self.networks.normals)
