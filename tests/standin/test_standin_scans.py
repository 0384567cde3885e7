"""Whole scans: closed, in THuman2.0's layout, around their fit, and the same bytes every time."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import hgm.standin
from hgm.errors import ScanError
from hgm.geometry.rays import RayMesh
from hgm.standin import make_chunk, make_scan, write_scan
from hgm.standin.assets import load_assets
from hgm.standin.scan import Scan
from hgm.standin.writer import FITS, MARKER, SCANS, body_vertices, is_complete

TEXTURE = 256
FIT_SHAPES = {
    "betas": (1, 10), "global_orient": (1, 3), "body_pose": (1, 63), "left_hand_pose": (1, 12),
    "right_hand_pose": (1, 12), "jaw_pose": (1, 3), "leye_pose": (1, 3),
    "reye_pose": (1, 3), "expression": (1, 10),
    "scale": (1,), "translation": (3,),
}  # fmt: skip


@pytest.fixture(scope="module", params=[3, 8])
def scan(request: pytest.FixtureRequest) -> Scan:
    return make_scan(request.param, TEXTURE)


@pytest.fixture(scope="module")
def root(scan: Scan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    write_scan(folder, "0003", scan)
    return folder


def read_obj(path: Path) -> dict[str, np.ndarray]:
    rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "f": []}
    for text in path.read_text().splitlines():
        key, *values = text.split()
        if key in rows:
            rows[key].append(values)
    corners = np.array([[corner.split("/") for corner in face] for face in rows["f"]], int) - 1
    return {"v": np.array(rows["v"], float), "vt": np.array(rows["vt"], float), "f": corners}


def test_the_surface_is_watertight_and_of_the_usual_size(scan: Scan) -> None:
    mesh = trimesh.Trimesh(scan.vertices, scan.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert 0.95 < np.ptp(scan.vertices, axis=0).max() < 1.01
    assert 60_000 < len(scan.faces) < 140_000


def test_uvs_lie_in_the_texture_and_the_texture_is_painted(scan: Scan) -> None:
    assert scan.uv_faces.shape == scan.faces.shape and scan.uv_faces.max() < len(scan.uvs)
    assert scan.uvs.min() >= 0 and scan.uvs.max() <= 1
    assert scan.texture.shape == (TEXTURE, TEXTURE, 3) and scan.texture.dtype == np.uint8
    assert scan.texture.reshape(-1, 3).std(0).min() > 20


def test_bare_hands_of_the_fit_lie_on_the_scan_and_the_body_inside(scan: Scan) -> None:
    """The fit is exact where nothing is worn: the hands beyond the cuffs."""
    weights = load_assets().skeleton.weights
    body = body_vertices(scan)
    scale = float(scan.fit["scale"][0])
    hands = weights.argmax(1) >= 25
    surface = RayMesh(scan.vertices, scan.faces)
    distance = np.linalg.norm(body - surface.nearest(body)[0], axis=1) / scale
    assert distance[hands].max() < 0.003
    assert distance[hands].mean() < 0.0005
    crossed = surface.scene.compute_occupancy(
        surface.tensor(body.astype(np.float32)), nthreads=1, nsamples=5
    ).numpy()
    outside = (crossed < 0.5) & (distance > 0.004)
    assert outside.mean() < 0.005
    assert distance.mean() < 0.02


def test_layout_is_that_of_the_data_set(root: Path) -> None:
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert files == sorted(
        [MARKER]
        + [f"{SCANS}/0003/{name}" for name in ("0003.obj", "material0.jpeg", "material0.mtl")]
        + [f"{FITS}/0003/{name}" for name in ("mesh_smplx.obj", "smplx_param.pkl")]
    )
    assert (root / MARKER).read_text().startswith("These are not THuman2.0.")
    assert (
        "map_Kd material0.jpeg"
        in (root / SCANS / "0003" / "material0.mtl").read_text().splitlines()
    )
    with Image.open(root / SCANS / "0003" / "material0.jpeg") as image:
        assert image.format == "JPEG" and image.size == (TEXTURE, TEXTURE)


def test_the_fit_file_has_the_data_sets_keys_shapes_and_types(root: Path, scan: Scan) -> None:
    path = root / FITS / "0003" / "smplx_param.pkl"
    fit = pickle.loads(path.read_bytes())
    assert {key: value.shape for key, value in fit.items()} == FIT_SHAPES
    assert all(value.dtype == np.float32 for value in fit.values())
    again = np.load(path, allow_pickle=True)
    for key, value in scan.fit.items():
        np.testing.assert_array_equal(again[key], value)


def test_the_obj_holds_the_scan(root: Path, scan: Scan) -> None:
    obj = read_obj(root / SCANS / "0003" / "0003.obj")
    np.testing.assert_allclose(obj["v"], scan.vertices, atol=6e-7)
    np.testing.assert_array_equal(obj["f"][..., 0], scan.faces)
    np.testing.assert_allclose(obj["vt"][obj["f"][..., 1]], scan.uvs[scan.uv_faces], atol=1.1e-6)


def test_the_body_obj_is_the_fitted_body(root: Path, scan: Scan) -> None:
    obj = read_obj(root / FITS / "0003" / "mesh_smplx.obj")
    assert obj["v"].shape == (10475, 3) and obj["f"].shape == (20908, 3, 1)
    np.testing.assert_allclose(obj["v"], body_vertices(scan), atol=6e-7)


def test_a_chunk_makes_what_is_missing_with_equal_bytes(tmp_path: Path) -> None:
    first = tmp_path / "a"
    second = tmp_path / "b"
    folders = make_chunk(first, [11], 128)
    assert folders == [first / SCANS / "0011"]
    make_chunk(second, [11], 128)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 6
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    # a complete member stays untouched
    obj = first / SCANS / "0011" / "0011.obj"
    stamp = obj.stat().st_mtime_ns
    make_chunk(first, [11], 128)
    assert obj.stat().st_mtime_ns == stamp
    # another size, or a missing part, makes it incomplete
    assert is_complete(first, "0011", 128) and not is_complete(first, "0011", 256)
    (first / FITS / "0011" / "smplx_param.pkl").unlink()
    assert not is_complete(first, "0011", 128)


def test_too_small_a_texture_is_refused() -> None:
    with pytest.raises(ScanError, match="128 or more"):
        make_scan(0, 64)


def test_unknown_names_of_the_package_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute"):
        _ = hgm.standin.nonsense
