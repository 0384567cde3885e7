"""What the viewer shows of a result, read from its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hgm.body.files import load_body
from hgm.core.manifests import read_json
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.export.formats import read_gaussians
from hgm.export.quantized import visible
from hgm.export.result import Result
from hgm.gaussians import Gaussians, rotation_matrices
from hgm.mesh.io import load_mesh
from hgm.scans.data_source import body_model


@dataclass(frozen=True)
class Scene:
    """Parts that are absent are None. Everything is in the world frame: y up, the person faces
    +z."""

    name: str
    gaussians: Gaussians | None = None  # [N]
    mesh: bytes | None = None  # a .glb
    body: np.ndarray | None = None  # vertices [10475, 3] float32
    # of the body, [20908, 3] int64; without a body model there are none
    faces: np.ndarray | None = None

    def covariances(self) -> np.ndarray:
        """[N, 3, 3] of the Gaussians: R diag(s^2) R^T."""
        assert self.gaussians is not None
        axes = rotation_matrices(self.gaussians.quats) * self.gaussians.scales[..., None, :]
        return (axes @ axes.mT).numpy()


def load_scene(result: Result, run: Path | None = None) -> Scene:
    """Read all parts of a result. run: the folder results/<run> whose body model knows the faces of
    the SMPL-X body; by default the one that the result lies in. Raises InputError for a part that
    cannot be read."""
    gaussians = None if result.gaussians is None else visible(read_gaussians(result.gaussians))
    mesh = body = faces = None
    if result.mesh is not None:
        load_mesh(result.mesh)
        mesh = result.mesh.read_bytes()
    if result.body is not None:
        body = np.ascontiguousarray(load_body(result.body)["vertices"], np.float32)
        faces = _faces(result.run if run is None else RunFolder(run), given=run is not None)
        if faces is not None and (faces.max() >= len(body) or body.ndim != 2):
            raise InputError(
                f"{result.body}: vertices {body.shape} are not those of the run's SMPL-X model; "
                "expected [10475, 3]"
            )
    return Scene(result.path.resolve().name, gaussians, mesh, body, faces)


def _faces(run: RunFolder | None, *, given: bool) -> np.ndarray | None:
    """The faces of the run's body model; None where no run was named and none is found or its model
    is not here."""
    if run is None:
        return None
    try:
        if not run.record.is_file():
            raise InputError(
                f"--run: {run.path} is not the folder of a run (no run.json); expected for example "
                "results/demo"
            )
        with torch.no_grad():
            return body_model(read_json(run.record)["config"]["scans"], run).faces.numpy()
    except InputError:
        if given:
            raise
        return None
