"""Templates: weights that are harmonic in a volume, meshes that are refused with their reason, and
maps that are made of them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from capture_files import NAMES, write_capture
from scipy.spatial import cKDTree

from hgm.body.kinematics import skin
from hgm.body.model import BodyModel, PosedBody
from hgm.errors import InputError
from hgm.geometry.normals import vertex_normals
from hgm.geometry.sampling import spread_points, spread_values
from hgm.standin.assets import load_assets
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.captures import open_capture
from hgm.systems.animatable.diffusion import Box, averaged, harmonic
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.map_files import make_maps
from hgm.systems.animatable.settings import Capture as Section
from hgm.systems.animatable.template import (
    diffused_weights,
    load_template,
    read_template,
    write_template,
)

GRID = 40


def cells_of(shape: tuple[int, int, int]) -> np.ndarray:
    return np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), 1).astype(float)


@pytest.mark.parametrize("shape", [(9, 8, 7), (50, 7, 6)])  # the larger starts on a coarser box
def test_what_is_harmonic_on_the_sides_is_so_inside(shape: tuple[int, int, int]) -> None:
    """For polynomials of the second degree the seven cells' equation is exact."""
    at = cells_of(shape)
    x, y, z = at.T / 10
    wanted = np.stack([x**2 - y**2, 2 * x - y + z, x * y + y * z, np.full_like(x, 0.25)], 1)
    sides = ((at == 0) | (at == np.array(shape) - 1)).any(1)
    inner = at.sum(1) % 11 == 0  # and some within
    fixed = np.flatnonzero(sides | inner)
    found = harmonic(shape, fixed, wanted[fixed])
    np.testing.assert_allclose(found, wanted, atol=2e-4 * np.abs(wanted).max())


def test_nothing_flows_through_the_sides_and_shares_stay_shares() -> None:
    """Between two plates the values fall evenly, whatever the box is like across."""
    shape = (21, 5, 4)
    at = cells_of(shape)
    ends = np.flatnonzero((at[:, 0] == 0) | (at[:, 0] == 20))
    values = np.stack([at[ends, 0] / 20, 1 - at[ends, 0] / 20], 1)
    found = harmonic(shape, ends, values)
    np.testing.assert_allclose(found[:, 0], at[:, 0] / 20, atol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-4)
    assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6


def test_points_are_put_into_cells_and_read_between_their_centers() -> None:
    points = np.random.default_rng(0).uniform([-1, 0, 2], [1, 0.5, 3], (200, 3))
    box = Box.around(points, 16)
    assert box.shape[0] == 16 + 6 and box.cell == pytest.approx(np.ptp(points[:, 0]) / 16)
    centers = box.low + (cells_of(box.shape) + 0.5) * box.cell
    assert np.abs(centers[box.cells(points)] - points).max() <= box.cell / 2 + 1e-9
    linear = np.stack([centers @ [1.0, -2.0, 0.5], centers[:, 0]], 1)
    wanted = np.stack([points @ [1.0, -2.0, 0.5], points[:, 0]], 1)
    np.testing.assert_allclose(box.mixing(points) @ linear, wanted, atol=1e-9)
    cells, means = averaged(np.array([7, 2, 7]), np.array([[1.0], [5.0], [3.0]]))
    assert cells.tolist() == [2, 7] and means.tolist() == [[5.0], [2.0]]


def test_values_are_spread_as_points_are() -> None:
    vertices = np.random.default_rng(1).normal(size=(12, 3))
    faces = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]])
    points, values = spread_values(vertices, faces, np.c_[vertices @ [1.0, 2, 3], vertices], 500, 4)
    assert np.array_equal(points, spread_points(vertices, faces, 500, 4))
    np.testing.assert_allclose(values, np.c_[points @ [1.0, 2, 3], points], atol=1e-12)


Mesh = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def dress(star: PosedBody) -> Mesh:
    """A closed skin 8 mm around the body in the star pose."""
    closed = load_assets().skin
    vertices = closed.matrix @ star.vertices.double().numpy()[: closed.matrix.shape[1]]
    return vertices + 0.008 * vertex_normals(vertices, closed.faces), closed.faces


def save(path: Path, vertices: np.ndarray, faces: np.ndarray) -> Path:
    trimesh.Trimesh(vertices, faces, process=False).export(path)
    return path


@pytest.mark.parametrize("ending", ["ply", "obj"])
def test_a_closed_mesh_in_the_star_pose_is_read(
    ending: str, dress: Mesh, star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    vertices, faces = read_template(save(tmp_path / f"t.{ending}", *dress), star, model)
    volume, wanted = (trimesh.Trimesh(v, f).volume for v, f in ((vertices, faces), dress))
    assert len(faces) == len(dress[1]) and volume == pytest.approx(wanted, rel=1e-4)


def test_a_split_seam_is_no_hole(
    dress: Mesh, star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    apart = dress[0][dress[1]].reshape(-1, 3)
    path = save(tmp_path / "t.ply", apart, np.arange(len(apart)).reshape(-1, 3))
    vertices, _ = read_template(path, star, model)
    assert len(vertices) == len(np.unique(dress[0].astype(np.float32), axis=0))


def at_rest(vertices: np.ndarray, faces: np.ndarray, star: PosedBody, model: BodyModel) -> Mesh:
    """The same skin with its legs together."""
    _, nearest = cKDTree(star.vertices.numpy()).query(vertices)
    weights = model.skinning_weights[nearest].double()
    back = torch.linalg.inv(star.transforms.double())
    return skin(torch.from_numpy(vertices), weights, back).numpy(), faces


Change = Callable[[np.ndarray, np.ndarray], Mesh]
WRONG: dict[str, tuple[Change, str]] = {
    "open": (lambda v, f: (v, f[:-3]), r"is open: \d+ of its edges belong to one face alone"),
    "millimeters": (lambda v, f: (1000 * v, f), r"units large, expected meters; scale it by 0.001"),
    "small": (lambda v, f: (0.1 * v, f), r"is 0\.\d+ m large"),
    "lying": (lambda v, f: (v[:, [0, 2, 1]], f), r"m high and 1\.\d+ m deep: it lies; turn it"),
    "elsewhere": (
        lambda v, f: (v + np.array([0.0, 0.5, 0.0]), f),
        r"its box is \[.*0\.5.*\] m away from the body's; shift it",
    ),
    "not finite": (lambda v, f: (np.where(v > 0.8, np.nan, v), f), r"not finite|is open"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mesh_is_refused(
    case: str, dress: Mesh, star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    change, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        read_template(save(tmp_path / "t.ply", *change(*dress)), star, model)


def test_another_pose_is_refused(
    dress: Mesh, star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    path = save(tmp_path / "t.ply", *at_rest(*dress, star, model))
    with pytest.raises(InputError, match="in another pose than the star, legs 25 degrees out"):
        read_template(path, star, model)


def test_files_that_are_no_meshes_are_refused(
    star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    for name, data, message in (
        ("t.stl", b"", r"expected a mesh as \.ply or \.obj"),
        ("none.ply", None, "no such file"),
        ("t.ply", b"ply\nformat", "not a readable mesh"),
        ("t.obj", b"v 0 0 0\n", "not a readable mesh"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_template(tmp_path / name, star, model)


@pytest.fixture(scope="module")
def weights(dress: Mesh, star: PosedBody, model: BodyModel) -> np.ndarray:
    """Of the skin's vertices, and of two points: between the knees, and in the left one."""
    knees = star.joints[[4, 5]].double().numpy()
    points = np.concatenate([dress[0], [knees.mean(0), knees[0]]])
    return diffused_weights(points, star, model, GRID)


def test_weights_come_to_what_lies_around_the_body(
    weights: np.ndarray,
) -> None:
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert weights.min() >= 0
    closed = load_assets().skin
    own = closed.weights  # of the same vertices
    limbs = np.isin(own.argmax(1), (1, 2, 3, 4, 5, 6, 9, 16, 17, 18, 19))
    apart = np.abs(weights[:-2] - own).sum(1)[limbs] / 2
    assert limbs.sum() > 2000 and apart.mean() < 0.1
    # between the legs both have their say
    middle, left = weights[-2:]
    assert abs(middle[[1, 4]].sum() - middle[[2, 5]].sum()) < 0.1
    assert middle[[1, 2, 4, 5]].sum() > 0.7 and left[[1, 4]].sum() > 0.8


SECTION = Section.model_validate({"root": "x", "models": "y", "train": "0-2", "test": "3-3"})


def test_maps_of_a_template_and_of_the_body_are_written(
    dress: Mesh, weights: np.ndarray, star: PosedBody, model: BodyModel, tmp_path: Path
) -> None:
    files = tmp_path / "template.ply", tmp_path / "weights.npz"
    write_template(*files, *dress, weights[:-2])
    first = [path.read_bytes() for path in files]
    write_template(*files, *dress, weights[:-2])
    assert first == [path.read_bytes() for path in files]
    surface = load_template(*files)
    assert len(surface.weights) == len(surface.vertices) == len(dress[0])

    arrays = write_capture(tmp_path / "capture")
    arrays["betas"] = np.linspace(-1, 1, 10)[None]  # those of the star
    np.savez(tmp_path / "capture/smpl_params.npz", **arrays)
    capture = open_capture(tmp_path / "capture", "avatarrex")
    capture = capture.without([(NAMES["avatarrex"][1], 2)])
    sizes = {}
    for name, template in (("body", ()), ("template", files)):
        make_maps(capture, model, SECTION, 64, tmp_path / name, template=template)
        maps = CanonicalMaps.load(tmp_path / name / "canonical.npz")
        frames = FrameTransforms.load(tmp_path / name / "frames.npz")
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert frames.frames == (0, 1, 2)
        assert manifest["points"] == len(maps) and manifest["surface"] == name
        assert manifest["left_out"] == [f"{NAMES['avatarrex'][1]}/2"]
        torch.testing.assert_close(maps.rest_transforms, star.transforms, atol=1e-6, rtol=0)
        sizes[name] = len(maps)
    assert sizes["template"] > 1.05 * sizes["body"]
    # the points lie where the template does
    front = maps.positions[: len(maps) // 2]
    assert (front[:, 2] > star.vertices[:, 2].min() - 0.02).all()


def test_weights_of_another_mesh_are_refused(
    dress: Mesh, weights: np.ndarray, tmp_path: Path
) -> None:
    write_template(tmp_path / "t.ply", tmp_path / "w.npz", *dress, weights[:-2])
    np.savez(tmp_path / "w.npz", weights=weights[1:])
    with pytest.raises(InputError, match=r"w.npz: does not hold the weights of .*t.ply"):
        load_template(tmp_path / "t.ply", tmp_path / "w.npz")
