"""The free stand-in body, one posed person, and ray casting as an independent reference."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody, canonical
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras
from hgm.geometry.rays import import_open3d
from hgm.splat.surfels import Surfels
from hgm.standin.body import core


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture(scope="session")
def person(model: BodyModel) -> BodyParameters:
    """Arms half lowered and bent, a step forward, small rotations of all other joints."""
    generator = torch.Generator().manual_seed(1)
    pose = 0.08 * torch.randn(21, 3, generator=generator)
    pose[15, 2] -= 1.0
    pose[16, 2] += 0.8
    pose[17, 1] -= 0.5
    pose[0, 0] -= 0.4
    return model.zeros().replace(
        body_pose=pose.flatten(), betas=0.7 * torch.randn(10, generator=generator)
    )


@pytest.fixture(scope="session")
def body(model: BodyModel, person: BodyParameters) -> CanonicalBody:
    return canonical(model, person)


@pytest.fixture(scope="session")
def surfels(model: BodyModel) -> Surfels:
    return Surfels.of(canonical(model, model.zeros()).vertices, model.faces)


class Caster:
    """The first and the last surface of a mesh along the rays of cameras, by Open3D."""

    def __init__(self, vertices: Tensor, faces: Tensor) -> None:
        o3d = import_open3d()
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self.scene.add_triangles(
            o3d.core.Tensor(vertices.numpy()), o3d.core.Tensor(faces.numpy().astype(np.uint32))
        )

    def __call__(self, cameras: Cameras, *, last: bool = False) -> tuple[Tensor, Tensor]:
        """Whether a ray hits, [C, 1, H, W] as 0 or 1, and the outward normal [C, 3, H, W] of the
        face that it hits."""
        origin, ray = cameras.rays()
        origin, ray = (origin + 4 * ray, -ray) if last else (origin, ray)
        rays = torch.cat([origin, ray], 1).movedim(1, -1).contiguous().numpy()
        result = self.scene.cast_rays(import_open3d().core.Tensor(rays), nthreads=1)
        hit = torch.from_numpy(np.isfinite(result["t_hit"].numpy())).float()[:, None]
        normal = torch.from_numpy(result["primitive_normals"].numpy()).movedim(-1, 1)
        return hit, normal * hit


@pytest.fixture(scope="session")
def caster(body: CanonicalBody, model: BodyModel) -> Caster:
    return Caster(body.vertices, model.faces)
