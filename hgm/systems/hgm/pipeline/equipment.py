"""What the steps work with: device, backends, body model and the estimator of normals, each set up
here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hgm.body.model import BodyModel
from hgm.core.devices import select_device
from hgm.core.job import Job
from hgm.core.keys import file_digest
from hgm.core.run_folder import RunFolder
from hgm.scans.data_source import STANDIN, body_model, body_model_file
from hgm.standin.body import core as standin
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.normal_estimators import NormalEstimator, estimator_digest, load_estimator
from hgm.systems.hgm.run_folder import Networks
from hgm.systems.hgm.variants import VARIANTS, Variant


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

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        networks: Networks,
        run: RunFolder,
        variant: str,
        *,
        device: str,
    ) -> Equipment:
        """`device` is that of the configuration or of the command: cpu, cuda or auto. Raises
        InputError where it or a backend does not work on this machine."""
        device = select_device(device)
        return cls(config, networks, run, variant, device, job_backends(config, device))

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
        """The body model of the fits; of stand-ins it needs no file, as where networks were passed
        on without the rest of their run."""
        if self._brings_body:
            return body_model(self.config["scans"], self.run, self.device)
        gender = self.config["scans"]["gender"]
        return BodyModel(standin.model(gender), gender=gender).to(self.device)

    @property
    def body_digest(self) -> str:
        """Hash of what `body` is made of, for keys."""
        file = body_model_file(self.config["scans"], self.run)
        return file_digest(file if self._brings_body else standin.ASSET)

    @property
    def _brings_body(self) -> bool:
        scans = self.config["scans"]
        return (
            scans["source"] != STANDIN
            or scans["models"] is not None
            or body_model_file(scans, self.run).is_file()
        )

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
