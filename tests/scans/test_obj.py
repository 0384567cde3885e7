"""The OBJ reader against meshes that were written by hand or at random."""

from pathlib import Path

import numpy as np
import pytest

from hgm.errors import ScanError
from hgm.scans.obj import load_obj

MIXED = """# a comment
mtllib some material.mtl
o first
v 0 0 0 0.5 0.5 0.5
v 1 0 0 0.5 0.5 0.5
v 1 1 0 0.5 0.5 0.5
vt 0.25 0.5 0
vn 0 0 1
usemtl a
f 1/1/1 2/1/1 3/1/1
o second
v -1e-2 +1 2.5 1 1 1
v 0 2 0 1 1 1
vt 1 0 0
f 1/1/1 2/2/1 3/1/1 4/2/1
f  5/2/1 4/1/1 3/2/1 2/1/1 1/2/1\x20
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", [True, False])
def test_polygons_groups_and_extra_columns(tmp_path: Path, newline: str, ending: bool) -> None:
    path = tmp_path / "mixed.obj"
    text = MIXED if ending else MIXED.rstrip("\n")
    path.write_bytes(text.replace("\n", newline).encode())
    mesh = load_obj(path)
    assert mesh.materials == ("some material.mtl",) and mesh.polygons == 3
    np.testing.assert_array_equal(
        mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [-0.01, 1, 2.5], [0, 2, 0]]
    )
    np.testing.assert_array_equal(mesh.uvs, [[0.25, 0.5], [1, 0]])
    faces = [[0, 1, 2], [0, 1, 2], [0, 2, 3], [4, 3, 2], [4, 2, 1], [4, 1, 0]]
    np.testing.assert_array_equal(mesh.faces, faces)
    uv_faces = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0], [1, 0, 1]]
    np.testing.assert_array_equal(mesh.uv_faces, uv_faces)
    assert mesh.corner_uvs().shape == (6, 3, 2)


def test_a_written_mesh_is_read_back_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(500, 3))
    uvs = rng.random((700, 2))
    faces = rng.integers(0, 500, (1000, 3))
    uv_faces = rng.integers(0, 700, (1000, 3))
    lines = ["mtllib m.mtl"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()] + [
        f"vt {u!r} {v!r}" for u, v in uvs.tolist()
    ]
    corners = np.stack([faces, uv_faces], -1) + 1
    lines += ["f " + " ".join(f"{a}/{b}" for a, b in face) for face in corners]
    path = tmp_path / "random.obj"
    path.write_text("\n".join(lines))
    mesh = load_obj(path)
    for got, expected in (
        (mesh.vertices, vertices),
        (mesh.uvs, uvs),
        (mesh.faces, faces),
        (mesh.uv_faces, uv_faces),
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "face",
    [
        "f 1/1 2/1",
        "f 1 2 3",
        "f 1//1 2//1 3//1",
        "f 1/1 2 3/1",
        "f 1/1 2/1 -1/-1",
        "f 1/1 2/1 x/1",
    ],
)
def test_faces_that_cannot_be_used(tmp_path: Path, face: str) -> None:
    path = tmp_path / "bad.obj"
    path.write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n{face}\n")
    with pytest.raises(ScanError, match=r"bad\.obj: [^\n]+$"):
        load_obj(path)
