"""The refinement of a mesh that follows normal maps, on a sphere."""

import numpy as np
import pytest
import torch
import trimesh
from spheres import CENTER, RADIUS, ball, sphere_depth
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.mesh.conversion import with_colors
from hgm.mesh.extraction import extract_mesh
from hgm.mesh.normals import cast, shown_normals
from hgm.mesh.refinement import NormalTargets, refine_mesh
from hgm.mesh.settings import Mesh

CAMERAS = orbit(size=96)[[0, 6]]


def true_normals(cameras: Cameras) -> Tensor:
    """[C, 3, H, W] of the sphere, zero beside it."""
    depth = sphere_depth(cameras)
    origin, ray = cameras.rays()
    z = (ray * cameras.world_to_camera[:, 2, :3, None, None]).sum(1, keepdim=True)
    return (origin + ray * depth / z - CENTER[:, None, None]) / RADIUS * (depth > 0)


def noisy_sphere() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(4, RADIUS)
    noise = 1 + 0.02 * np.random.default_rng(1).normal(size=(len(mesh.vertices), 1))
    return with_colors(mesh.vertices * noise + CENTER.numpy(), mesh.faces)


def radial_error(mesh: trimesh.Trimesh) -> float:
    return float(np.abs(np.linalg.norm(mesh.vertices - CENTER.numpy(), axis=1) - RADIUS).mean())


def shown_error(mesh: trimesh.Trimesh, cameras: Cameras, truth: Tensor) -> float:
    """Mean L1 distance of the normals that the mesh shows, by new ray casting."""
    vertices = torch.tensor(np.asarray(mesh.vertices)).float()
    faces = torch.tensor(np.asarray(mesh.faces))
    hits = cast(vertices, faces, cameras, torch.zeros(len(cameras), dtype=torch.bool))
    goal = truth.movedim(1, -1).reshape(-1, 3)[hits.pixels]
    known = goal.norm(dim=-1) > 0.5
    return float((shown_normals(vertices, faces, hits) - goal)[known].abs().sum(-1).mean())


def test_refinement_brings_a_noisy_sphere_back(one_thread: None) -> None:
    mesh = noisy_sphere()
    truth = true_normals(CAMERAS)
    refined, history = refine_mesh(mesh, NormalTargets(truth, CAMERAS), steps=60)
    assert shown_error(refined, CAMERAS, truth) < 0.4 * shown_error(mesh, CAMERAS, truth)
    assert radial_error(refined) < 0.8 * radial_error(mesh)
    assert len(history) == 60 and history[-1]["normal"] < history[0]["normal"]
    assert np.array_equal(refined.faces, mesh.faces)
    twice = refine_mesh(mesh, NormalTargets(truth, CAMERAS), steps=60)[0]
    assert np.array_equal(twice.vertices, refined.vertices)


def test_a_map_of_the_farthest_surface_shapes_the_back() -> None:
    mesh = noisy_sphere()
    front = CAMERAS[:1]
    vertices, faces = (torch.tensor(np.asarray(x)) for x in (mesh.vertices, mesh.faces))
    perfect = trimesh.creation.icosphere(5, RADIUS)
    hits = cast(
        torch.tensor(perfect.vertices).float() + CENTER,
        torch.tensor(perfect.faces),
        front,
        torch.tensor([True]),
    )
    goal = torch.zeros(96 * 96, 3)
    goal[hits.pixels] = shown_normals(
        torch.tensor(perfect.vertices).float(), torch.tensor(perfect.faces), hits
    )
    assert (goal[hits.pixels, 2] < 0).float().mean() > 0.9  # it looks away from the camera at +z
    targets = NormalTargets(goal.T.reshape(1, 3, 96, 96), front, torch.tensor([True]))
    refined = refine_mesh(mesh, targets, steps=40)[0]
    moved = np.linalg.norm(refined.vertices - vertices.float().numpy(), axis=1)
    z = mesh.vertices[:, 2] - float(CENTER[2])
    assert len(faces) and moved[z < -0.2].mean() > 10 * moved[z > 0.3].mean()


def test_gradients_of_shown_normals() -> None:
    mesh = noisy_sphere()
    start = torch.tensor(np.asarray(mesh.vertices))
    faces = torch.tensor(np.asarray(mesh.faces))
    hits = cast(start, faces, orbit(size=24)[:1], torch.zeros(1, dtype=torch.bool))
    hits = type(hits)(hits.pixels, hits.faces, hits.weights.double())
    weight = torch.randn(len(hits.pixels), 3, generator=torch.Generator().manual_seed(0)).double()
    way = torch.randn(start.shape, generator=torch.Generator().manual_seed(1)).double()

    def value(t: Tensor) -> Tensor:
        return (shown_normals(start + t * way, faces, hits) * weight).sum()

    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value(t).backward()
    h = 1e-7
    difference = (value(torch.tensor(h)) - value(torch.tensor(-h))) / (2 * h)
    assert t.grad is not None and t.grad.item() == pytest.approx(difference.item(), rel=1e-4)


def test_the_whole_way_from_gaussians() -> None:
    settings = Mesh(cameras=16, size=128, voxel=3 / 192, refine_steps=30)
    plain = extract_mesh(ball(), settings)
    truth = true_normals(CAMERAS)
    guided = extract_mesh(ball(), settings, targets=NormalTargets(truth, CAMERAS))
    assert plain.body_count == 1 and radial_error(plain) < 3 / 192
    assert shown_error(guided, CAMERAS, truth) < 0.7 * shown_error(plain, CAMERAS, truth)
    assert np.array_equal(guided.faces, plain.faces)
