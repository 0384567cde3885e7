"""Surface and joint errors in cases with a known answer."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from hgm.errors import InputError
from hgm.geometry.sampling import random_points
from hgm.metrics.joints import mpjpe, pa_mpjpe
from hgm.metrics.surfaces import CM_PER_UNIT, SurfaceMesh, icp, surface_errors


def sphere(radius: float, subdivisions: int = 4) -> SurfaceMesh:
    m = trimesh.creation.icosphere(subdivisions, radius)
    return SurfaceMesh(np.asarray(m.vertices), np.asarray(m.faces))


def square(height: float, size: float = 1.0) -> SurfaceMesh:
    v = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float) * size + [0, 0, height]
    return SurfaceMesh(v, np.array([[0, 1, 2], [0, 2, 3]]))


def bumpy(seed: int = 0) -> SurfaceMesh:
    """A body without symmetry, so that its pose is determined."""
    m = trimesh.creation.icosphere(4, 0.5)
    v = np.asarray(m.vertices) * [1.0, 1.6, 0.7]
    v = v + 0.06 * np.sin(v[:, [1, 2, 0]] * 7 + [0, 1, 2])
    return SurfaceMesh(v, np.asarray(m.faces))


def test_concentric_spheres_are_their_radii_apart() -> None:
    e = surface_errors(sphere(0.53), sphere(0.50), samples=20_000)
    assert e.chamfer_cm == pytest.approx(0.03 * CM_PER_UNIT, rel=0.01)
    assert e.p2s_cm == pytest.approx(e.s2p_cm, rel=0.01)
    assert e.normal_consistency > 0.999


def test_directions_differ_where_a_part_is_missing() -> None:
    whole = square(0, 1.0)
    half = square(0, 0.5)
    e = surface_errors(half, whole, samples=20_000)
    assert e.p2s_cm == pytest.approx(0, abs=1e-4)
    # mean distance from the square [-1, 1]^2 to [-.5, .5]^2: strips 1/8 · 1/4 · 4 sides, corners
    # 1/16 · (…)
    q = np.random.default_rng(0).uniform(-1, 1, (400_000, 2))
    wanted = np.linalg.norm(np.maximum(np.abs(q) - 0.5, 0), axis=1).mean() * CM_PER_UNIT
    assert e.s2p_cm == pytest.approx(wanted, rel=0.02)
    assert e.chamfer_cm == pytest.approx((e.p2s_cm + e.s2p_cm) / 2)


def test_planes_and_tilted_normals() -> None:
    e = surface_errors(square(0.02), square(0.0), samples=5_000)
    assert e.chamfer_cm == pytest.approx(0.02 * CM_PER_UNIT, rel=1e-4)
    assert e.normal_consistency == pytest.approx(1, abs=1e-6)
    turned = square(0.0).moved(Rotation.from_euler("x", 60, degrees=True).as_matrix(), np.zeros(3))
    assert surface_errors(turned, square(0.0), samples=5_000).normal_consistency == pytest.approx(
        0.5, abs=1e-6
    )
    flipped = SurfaceMesh(square(0).vertices, square(0).faces[:, ::-1])
    assert surface_errors(flipped, square(0), samples=1_000).normal_consistency == pytest.approx(
        1, abs=1e-6
    )


def test_point_to_triangle_is_the_limit_of_point_to_point() -> None:
    a = bumpy()
    b = SurfaceMesh(bumpy().vertices * 1.05, bumpy().faces)
    e = surface_errors(a, b, samples=20_000)
    dense = trimesh.Trimesh(b.vertices, b.faces, process=False).sample(400_000, seed=1)
    points, _ = random_points(a.vertices, a.faces, 20_000, np.random.default_rng(0))
    assert e.p2s_cm == pytest.approx(cKDTree(dense).query(points)[0].mean() * CM_PER_UNIT, rel=0.02)


def test_icp_finds_a_rigid_motion() -> None:
    rotation = Rotation.from_euler("xyz", [4, -5, 6], degrees=True).as_matrix()
    shift = np.array([0.03, -0.02, 0.04])
    moved = bumpy().moved(rotation, shift)
    found, offset = icp(moved, bumpy())
    assert found @ rotation == pytest.approx(np.eye(3), abs=2e-3)
    assert found @ shift + offset == pytest.approx(np.zeros(3), abs=2e-3)
    plain = surface_errors(moved, bumpy(), samples=5_000)
    aligned = surface_errors(moved, bumpy(), samples=5_000, align=True)
    assert aligned.chamfer_cm < 0.05 < 1 < plain.chamfer_cm
    # no motion helps
    concentric = surface_errors(sphere(0.53), sphere(0.5), samples=5_000, align=True)
    assert concentric.chamfer_cm == pytest.approx(0.03 * CM_PER_UNIT, rel=0.02)


def test_unusable_meshes_are_named() -> None:
    with pytest.raises(InputError, match="no faces"):
        SurfaceMesh(np.zeros((3, 3)), np.zeros((0, 3), int))
    with pytest.raises(InputError, match="no area"):
        surface_errors(
            SurfaceMesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), sphere(1, 1), samples=10
        )


def test_joint_errors() -> None:
    random = np.random.default_rng(0)
    target = random.normal(size=(2, 55, 3))
    prediction = random.normal(size=(2, 55, 3))
    shifted = torch.tensor(target + np.array([1.0, 2.0, 3.0]))
    assert mpjpe(shifted, torch.tensor(target)).numpy() == pytest.approx([0, 0], abs=1e-9)
    off = target.copy()
    off[:, 5] += [0.0, 0.22, 0.0]  # one of 22 joints off by 22 cm is 1 cm on average
    off[:, 30] += 100  # a finger does not count
    assert mpjpe(torch.tensor(off), torch.tensor(target)).numpy() == pytest.approx([10, 10])
    similar = (
        1.3 * target @ Rotation.from_euler("xyz", [40, 80, -120], degrees=True).as_matrix().T + 5
    )
    assert pa_mpjpe(torch.tensor(similar), torch.tensor(target)).numpy() == pytest.approx(
        [0, 0], abs=1e-8
    )
    for i in range(2):
        p, t = (x[i, :22] - x[i, :22].mean(0) for x in (prediction, target))
        turned = Rotation.align_vectors(t, p)[0].apply(p)
        scaled = turned * (turned * t).sum() / (turned * turned).sum()
        wanted = 1000 * np.linalg.norm(scaled - t, axis=1).mean()
        assert pa_mpjpe(torch.tensor(prediction), torch.tensor(target))[i].item() == pytest.approx(
            wanted, rel=1e-8
        )
    mirrored = target * [-1.0, 1.0, 1.0]
    assert (pa_mpjpe(torch.tensor(mirrored), torch.tensor(target)) > 100).all()  # no mirroring


def test_equal_seeds_give_equal_errors() -> None:
    assert surface_errors(bumpy(), sphere(0.5), samples=2_000) == surface_errors(
        bumpy(), sphere(0.5), samples=2_000
    )
