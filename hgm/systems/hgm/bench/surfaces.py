"""The stages that fit or extract surfaces: renders of the SMPL-X refinement, and the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.errors import InputError
from hgm.mesh.extraction import extract_mesh
from hgm.nets.normal_net import NormalNet
from hgm.splat import resolve_backend
from hgm.splat.normal_maps import render_normals
from hgm.splat.silhouettes import SUPERSAMPLING, silhouettes
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import Settings
from hgm.systems.hgm.normal_estimators import predict_targets
from hgm.workflow.work import splatting_bytes

if TYPE_CHECKING:
    import trimesh


def refinement_ways(settings: Settings, scene: Scene) -> list[Way]:
    """The renders of one step of the refinement: 12 silhouettes and two normal maps of the body,
    with gradients for its vertices."""
    size = settings.sizes.refine
    view = scene.rig.resized(size)

    def make(backend: str, at_once: bool) -> Work:
        surfels = Surfels.of(scene.vertices, scene.faces)
        vertices = scene.vertices.clone().requires_grad_()
        some = [view] if at_once else [view[[i]] for i in range(len(view))]

        def run() -> Tensor:
            outputs = [silhouettes(vertices, surfels, cameras, backend=backend) for cameras in some]
            maps = render_normals(vertices, surfels, view[0], backend=backend)
            outputs += [maps.front, maps.back]
            return torch.autograd.grad(outputs, vertices, [torch.ones_like(x) for x in outputs])[0]

        drawn = splatting_bytes(
            1, len(surfels), len(view), SUPERSAMPLING * size, backward=True
        ) + splatting_bytes(2, len(surfels), 1, size, backward=True)
        return Work(run, drawn)

    def reference() -> Work:
        if settings.on_cuda:
            raise InputError("timed on a CPU only")
        return make("torch", True)

    backend = resolve_backend("auto", settings.device)
    return [
        Way(f"all views in a call ({backend})", lambda: make(backend, True)),
        Way("a call a view", lambda: make(backend, False)),
        Way("plain torch", reference),
    ]


def mesh_ways(settings: Settings, scene: Scene) -> list[Way]:
    """Gaussians to a mesh: depth renders, volume, cleaning, and refinement by normals predicted
    from two pictures."""
    sizes = settings.sizes

    def make() -> Work:
        torch.manual_seed(0)
        net = NormalNet(sizes.normals).to(settings.device).eval().requires_grad_(False)
        gaussians = scene.gaussians()[0]
        sides = scene.sides
        pictures = scene.pictures.rgb[sides]

        def run() -> trimesh.Trimesh:
            targets = predict_targets(net, pictures, scene.vertices, scene.faces, scene.rig[sides])
            return extract_mesh(gaussians, sizes.mesh, targets=targets)

        return Work(run, splatting_bytes(1, len(gaussians), sizes.mesh.cameras, sizes.mesh.size))

    return [Way("with normal-guided refinement", make)]
