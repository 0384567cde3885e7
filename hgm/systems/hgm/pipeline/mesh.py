"""The third step: Gaussians become a mesh, refined by the normals that their pictures show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hgm.body.files import BODY_FILE, load_body
from hgm.body.model import BodyModel
from hgm.gaussians import Gaussians
from hgm.mesh.settings import Mesh
from hgm.systems.hgm.meshing import mesh_subject, mesh_without_normals
from hgm.systems.hgm.normal_estimators import NormalEstimator
from hgm.systems.hgm.pipeline.equipment import Equipment


@dataclass(frozen=True)
class MeshStep:
    """Meshes people whose folders hold what the second step wrote."""

    equipment: Equipment
    settings: Mesh
    model: BodyModel | None = None  # with the next: None where meshes are not refined
    normals: NormalEstimator | None = None

    @classmethod
    def of(cls, equipment: Equipment, *, with_body: bool = True) -> MeshStep:
        """With body model and estimator of normals loaded, where the settings refine meshes and
        the bodies are known, with whose help normals are read."""
        settings = Mesh(**equipment.config["mesh"])
        if not (with_body and equipment.meshes_by_normals):
            return cls(equipment, settings)
        return cls(equipment, settings, equipment.body, equipment.normals)

    @property
    def digests(self) -> list[str]:
        """Hash of the weights of the estimator of normals, if there is one, for keys."""
        return [] if self.normals is None else [self.equipment.normals_digest]

    def do(self, gaussians: Gaussians, vertices: Tensor | None, out: Path) -> None:
        """Write `mesh.glb` and `mesh.png` to the folder of a person.

        gaussians [N]; vertices of the body [10475, 3] in normalized units. Raises InputError where
        the Gaussians have no surface.
        """
        splat = self.equipment.splat
        if self.model is None or self.normals is None or vertices is None:
            mesh_without_normals(gaussians, out, self.settings, backend=splat)
            return
        faces = self.model.faces
        mesh_subject(gaussians, vertices, faces, self.normals, out, self.settings, backend=splat)

    def do_folder(self, out: Path) -> None:
        """The same of the Gaussians and the body that the folder of a person holds."""
        gaussians = Gaussians.load_ply(out / "gaussians.ply").to(self.equipment.device)
        vertices = (
            None
            if self.normals is None
            else torch.from_numpy(load_body(out / BODY_FILE)["vertices"])
        )
        self.do(gaussians, vertices, out)
