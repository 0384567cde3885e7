"""The paper's protocol for one subject, computed again by other means: scikit-image, and triangles
one by one in numpy."""

import numpy as np
import pytest
import torch
import trimesh
from skimage import metrics

from hgm.geometry.sampling import random_points
from hgm.images.viewpoints import of_the_rig
from hgm.metrics.definitions import Definitions, back_errors, view_errors
from hgm.metrics.surfaces import CM_PER_UNIT, Surface, SurfaceMesh, icp, surface_errors

AZIMUTHS = (0, 90, 180, 270)  # degrees; the rig's views are 30 degrees apart
SIZE = 96


def subject(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Twelve renders of a rectangle of noise on white, the truth, and its mask; every view lies
    elsewhere."""
    random = np.random.default_rng(seed)
    truth = np.ones((12, 3, SIZE, SIZE), np.float32)
    mask = np.zeros((12, 1, SIZE, SIZE), np.float32)
    for i in range(12):
        top, left = random.integers(5, 20, 2)
        mask[i, :, top : top + 60, left : left + 40] = 1
        blocks = random.random((3, 15, 10), np.float32).repeat(4, 1).repeat(4, 2)
        truth[i, :, top : top + 60, left : left + 40] = blocks
    seen = (truth + mask * random.normal(0, 0.1, truth.shape).astype(np.float32)).clip(0, 1)
    return torch.from_numpy(seen), torch.from_numpy(truth), torch.from_numpy(mask)


def similarity(p: np.ndarray, t: np.ndarray) -> float:
    return float(
        metrics.structural_similarity(
            p,
            t,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def by_skimage(p: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """PSNR of the pooled error and the mean of the views' SSIM, [V, 3, H, W] twice."""
    return (
        float(metrics.peak_signal_noise_ratio(t, p, data_range=1.0)),
        float(np.mean([similarity(a, b) for a, b in zip(p, t, strict=True)])),
    )


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of any view's person, 5 % of the longer side wider on each side."""
    rows = np.flatnonzero(mask.any((0, 1, 3)))
    columns = np.flatnonzero(mask.any((0, 1, 2)))
    grow = round(0.05 * max(np.ptp(rows) + 1, np.ptp(columns) + 1))
    return tuple(
        slice(max(x.min() - grow, 0), min(x.max() + 1 + grow, SIZE)) for x in (rows, columns)
    )


@pytest.mark.parametrize("back", [False, True])
def test_images_of_a_subject(back: bool) -> None:
    p, t, mask = subject()
    views = [6] if back else [azimuth // 30 for azimuth in AZIMUTHS]
    found: Definitions = (back_errors if back else view_errors)(
        p, t, of_the_rig(SIZE), None, mask=mask
    )
    chosen_p = p[views].numpy()
    chosen_t = t[views].numpy()
    psnr, ssim = by_skimage(chosen_p, chosen_t)
    assert found["standard"]["psnr"] == pytest.approx(psnr, abs=1e-4)
    assert found["released_code"]["psnr"] == pytest.approx(psnr, abs=1e-4)
    assert found["standard"]["ssim"] == pytest.approx(ssim, abs=2e-5)
    rows, columns = box_of(mask[views].numpy() > 0.5)
    boxed = by_skimage(chosen_p[:, :, rows, columns], chosen_t[:, :, rows, columns])
    assert found["person_box"] is not None
    assert found["person_box"]["psnr"] == pytest.approx(boxed[0], abs=1e-4)
    assert found["person_box"]["ssim"] == pytest.approx(boxed[1], abs=2e-5)
    assert boxed[0] < psnr - 1


def closest_on_triangle(point: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The nearest point of a triangle [3, 3]: inside it where the foot of the perpendicular is,
    else on one of its edges."""
    a, b, c = corners
    normal = np.cross(b - a, c - a)
    foot = point - normal * ((point - a) @ normal) / (normal @ normal)
    weights = [np.cross(q - p, foot - p) @ normal for p, q in ((a, b), (b, c), (c, a))]
    if min(weights) >= 0:
        return foot
    ends = []
    for p, q in ((a, b), (b, c), (c, a)):
        t = np.clip((point - p) @ (q - p) / ((q - p) @ (q - p)), 0, 1)
        ends.append(p + t * (q - p))
    return min(ends, key=lambda x: float(np.linalg.norm(x - point)))


def one_way(
    points: np.ndarray, normals: np.ndarray, mesh: SurfaceMesh
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean distance in normalized units and least and largest |cos| [n] of points [n, 3] against a
    mesh, triangle by triangle.

    The nearest point may lie on an edge; which of its faces counts there is a matter of rounding.
    """
    triangles = mesh.vertices[mesh.faces]
    faces = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    distances = []
    low = []
    high = []
    for point, normal in zip(points, normals, strict=True):
        away = np.array(
            [np.linalg.norm(closest_on_triangle(point, corners) - point) for corners in triangles]
        )
        cosines = np.abs(faces[away < away.min() + 1e-6] @ normal)
        distances.append(away.min())
        low.append(cosines.min())
        high.append(cosines.max())
    return float(np.mean(distances)), np.array(low), np.array(high)


def solid(seed: int) -> SurfaceMesh:
    """A convex hull of random points: no symmetry, faces of every size."""
    hull = trimesh.convex.convex_hull(np.random.default_rng(seed).normal(0, 0.3, (14, 3)))
    return SurfaceMesh(np.asarray(hull.vertices), np.asarray(hull.faces))


@pytest.mark.parametrize("align", [False, True])
def test_surfaces_of_a_subject(align: bool) -> None:
    """Chamfer: mean of the two directions; P2S: from the prediction; in centimeters of a person of
    1.8 m."""
    prediction = solid(1)
    target = solid(2)
    count = 150
    found = surface_errors(prediction, target, samples=count, seed=7, align=align)
    moved = prediction.moved(*icp(prediction, target, seed=7)) if align else prediction
    random = np.random.default_rng(7)
    ours = random_points(moved.vertices, moved.faces, count, random)
    truth = random_points(target.vertices, target.faces, count, random)
    p2s, low_p, high_p = one_way(*ours, target)
    s2p, low_s, high_s = one_way(*truth, moved)
    unit = 180 / 1.35  # centimeters: a person of 1.8 m is 1.8 * 0.75 normalized units tall
    assert pytest.approx(unit) == CM_PER_UNIT
    assert found.p2s_cm == pytest.approx(p2s * unit, rel=1e-4)
    assert found.s2p_cm == pytest.approx(s2p * unit, rel=1e-4)
    assert found.chamfer_cm == pytest.approx((p2s + s2p) / 2 * unit, rel=1e-4)
    assert (
        low_p.mean() + low_s.mean() - 1e-5
        < 2 * found.normal_consistency
        < high_p.mean() + high_s.mean() + 1e-5
    )
    for (points, normals), mesh, low, high in (
        (ours, target, low_p, high_p),
        (truth, moved, low_s, high_s),
    ):
        inside = high - low < 1e-9  # a face, not an edge of two
        cosines = np.abs((Surface(mesh).closest(points)[1] * normals).sum(1))
        assert inside.mean() > 0.2 and cosines[inside] == pytest.approx(low[inside], abs=1e-5)


def test_alignment_turns_and_shifts_but_never_scales() -> None:
    mesh = solid(3)
    larger = SurfaceMesh(mesh.vertices * 1.1, mesh.faces)
    rotation, shift = icp(larger, mesh)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9) and np.linalg.det(
        rotation
    ) == pytest.approx(1)
    assert surface_errors(larger, mesh, samples=500, align=True).chamfer_cm > 0.5
    assert np.linalg.norm(shift) < 0.1
