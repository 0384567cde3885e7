"""Meshes as .glb files."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from hgm.errors import InputError
from hgm.mesh.conversion import colors_of, with_colors
from hgm.mesh.io import glb_bytes, load_mesh, save_mesh


@pytest.fixture
def mesh() -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(3, 0.5)
    colors = np.random.default_rng(0).integers(0, 256, (len(ball.vertices), 3), dtype=np.uint8)
    return with_colors(ball.vertices, ball.faces, colors)


def test_round_trip(mesh: trimesh.Trimesh, tmp_path: Path) -> None:
    save_mesh(tmp_path / "a.glb", mesh)
    back = load_mesh(tmp_path / "a.glb")
    assert np.abs(back.vertices - mesh.vertices).max() < 1e-7
    assert np.array_equal(back.faces, mesh.faces)
    change = np.abs(colors_of(back).astype(int) - colors_of(mesh))
    assert change.max() <= 6 and change[colors_of(mesh) >= 50].max() <= 2
    other = trimesh.load_mesh(tmp_path / "a.glb", process=False)
    assert other.vertices.shape == mesh.vertices.shape and other.is_watertight


def test_equal_meshes_give_equal_bytes(mesh: trimesh.Trimesh) -> None:
    copy = with_colors(mesh.vertices.copy(), mesh.faces.copy(), colors_of(mesh).copy())
    assert glb_bytes(mesh) == glb_bytes(copy)
    moved = with_colors(mesh.vertices + 1e-3, mesh.faces, colors_of(mesh))
    assert glb_bytes(mesh) != glb_bytes(moved)


def test_the_file_is_valid_gltf_with_a_matte_material(mesh: trimesh.Trimesh) -> None:
    data = glb_bytes(mesh)
    magic, version, length, size, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    tree = json.loads(data[20 : 20 + size])
    primitive = tree["meshes"][0]["primitives"][0]
    assert {"POSITION", "NORMAL", "COLOR_0"} <= set(primitive["attributes"])
    assert tree["materials"][primitive["material"]]["pbrMetallicRoughness"]["metallicFactor"] == 0


@pytest.mark.parametrize("content", [b"", b"glTF nonsense", b"\x00" * 200])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.glb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.glb"):
        load_mesh(path)
    with pytest.raises(InputError, match="missing"):
        load_mesh(tmp_path / "missing.glb")
