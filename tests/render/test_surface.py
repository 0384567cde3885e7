"""A surface from arrays that moves, against rays, against the same OBJ file, and against known
pixels."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_scans import cells, write_obj

from hgm.cameras import Cameras, look_at, orbit
from hgm.errors import InputError, ScanError
from hgm.geometry.rays import RayMesh, import_open3d
from hgm.render.blender import Frame, Renderer
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles


def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dense lumpy ball of radius about 0.5: vertices, faces, uvs of vertices."""
    sphere = import_open3d().geometry.TriangleMesh.create_sphere(1.0, 60)
    directions = np.asarray(sphere.vertices)
    x, y, z = directions.T
    radius = 0.5 + 0.05 * np.sin(5 * x + 1) * np.cos(4 * y) + 0.04 * np.sin(6 * z)
    return (
        directions * radius[:, None],
        np.asarray(sphere.triangles),
        directions[:, :2] / 2 + 0.5,
    )


def quad(half: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square in the plane of the pelvis, of two triangles."""
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    return half * corners, np.array([[0, 1, 2], [0, 2, 3]]), corners[:, :2] / 2 + 0.5


def equal(a: Frame, b: Frame) -> bool:
    return a.cropped == b.cropped and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("rgba", "depth", "normal")
    )


def camera(
    width: int, height: int, fx: float, fy: float, cx: float, cy: float, eye: tuple[float, ...]
) -> Cameras:
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Cameras(K, look_at(torch.tensor(eye), torch.tensor([0.1, 0.0, 0.0])), width, height)


CAMERAS = {
    "wide": camera(200, 90, 150.0, 150.0, 100.0, 45.0, (0.9, 0.5, 1.1)),
    "tall, tall pixels": camera(70, 160, 95.0, 140.0, 30.3, 88.6, (-1.2, -0.3, 0.9)),
    "principal point outside": camera(96, 80, 170.0, 150.0, -20.5, 95.0, (0.4, 0.2, -1.5)),
}


def seen(
    vertices: np.ndarray, faces: np.ndarray, view: Cameras, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What rays through pixels [P, 2] (x, y) hit: faces [P] (-1 for none), weights of the corners
    [P, 3], planar depths [P]."""
    inverse = torch.linalg.inv(view.K.double()).numpy()
    to_world = view.camera_to_world.double().numpy()
    rays = np.c_[pixels, np.ones(len(pixels))] @ inverse.T  # of planar depth 1
    face, weights, depth = RayMesh(vertices, faces).hits(
        np.broadcast_to(to_world[:3, 3], rays.shape), rays @ to_world[:3, :3].T
    )
    return face, weights, np.where(face >= 0, depth, 0)


def colors_at(uv: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """The texels at texture coordinates [..., 2] with (0, 0) at the lower left."""
    size = np.array(texture.shape[1::-1])
    column, row = np.moveaxis((uv * [1, -1] + [0, 1]) * size, -1, 0).astype(int)
    return texture[row.clip(0, size[1] - 1), column.clip(0, size[0] - 1)]


@pytest.mark.parametrize("view", CAMERAS.values(), ids=CAMERAS)
def test_depth_mask_and_colors_are_those_of_rays(renderer: Renderer, view: Cameras) -> None:
    vertices, faces, uvs = ball()
    texture = np.asarray(cells(2, lossless=True))
    renderer.load_surface(faces, uvs[faces], texture)
    renderer.move(vertices)
    frame = renderer.render(view)
    assert frame.rgba.shape == (view.height, view.width, 4)

    y, x = np.mgrid[: view.height, : view.width] + 0.5
    face, weights, depth = seen(vertices, faces, view, np.c_[x.ravel(), y.ravel()])
    hit = (face >= 0).reshape(x.shape)
    assert 0.05 < hit.mean() < 0.95
    assert (hit != (frame.depth > 0)).mean() < 2e-3
    both = hit & (frame.depth > 0)
    error = np.abs(frame.depth - depth.reshape(x.shape))[both]
    assert np.median(error) < 1e-5 and np.percentile(error, 99) < 1e-3

    # coverage: the share of a fine grid of rays in each pixel
    n = 6
    fy, fx = (np.mgrid[: view.height * n, : view.width * n] + 0.5) / n
    fine = seen(vertices, faces, view, np.c_[fx.ravel(), fy.ravel()])[0] >= 0
    share = fine.reshape(view.height, n, view.width, n).mean((1, 3))
    difference = np.abs(frame.rgba[..., 3] / 255 - share)
    assert difference.max() < 0.35 and difference.mean() < 5e-3

    # pixels within one cell of the texture show its bytes
    uv = (weights[..., None] * uvs[faces[face]]).sum(1).reshape(*x.shape, 2)
    expected = colors_at(uv, texture)
    same = np.ones(hit.shape, bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = np.roll(expected, (dy, dx), (0, 1))
            same &= (moved == expected).all(-1) & np.roll(hit, (dy, dx), (0, 1))
    same[[0, -1]] = same[:, [0, -1]] = False
    assert same.sum() > 50
    wrong = np.abs(frame.rgba[..., :3].astype(int) - expected).max(-1)[same]
    assert (wrong > 1).mean() < 0.02


@pytest.mark.parametrize("view", CAMERAS.values(), ids=CAMERAS)
def test_it_looks_as_the_same_obj_file(renderer: Renderer, tmp_path: Path, view: Cameras) -> None:
    vertices, faces, uvs = (x.round(6) for x in ball())
    texture = cells(1, lossless=True)
    obj = write_obj(tmp_path / "0000", "0000", vertices, faces, uvs, texture)
    renderer.load(obj, preflight(ScanFiles("0000", obj, obj)), np.eye(4))
    want = renderer.render(view)
    for given in (np.asarray(texture), obj.parent / "material0.png"):
        renderer.load_surface(faces, uvs[faces], given)
        renderer.move(vertices)
        assert equal(renderer.render(view), want)


def test_moved_and_back_it_looks_as_before(renderer: Renderer) -> None:
    vertices, faces, uvs = ball()
    view = orbit(size=64)[1]
    renderer.load_surface(faces, uvs[faces], np.asarray(cells(4)))
    renderer.move(vertices)
    first = renderer.render(view)
    bent = vertices * [0.6, 1.2, 0.8] + [0.2, 0, 0.1]
    for shade in (None, np.linspace(0, 1, len(vertices))):
        renderer.move(bent, shade)
        assert not equal(renderer.render(view), first)
        renderer.move(vertices)
        assert equal(renderer.render(view), first)

    renderer.move(bent)
    moved = renderer.render(view)
    renderer.load_surface(faces, uvs[faces], np.asarray(cells(4)))
    renderer.move(bent)
    assert equal(renderer.render(view), moved)  # its normals too are those of the new place


def test_each_surface_wears_its_own_texture(renderer: Renderer) -> None:
    vertices, faces, uvs = quad()
    view = orbit(size=32)[0]
    for i in range(6):
        color = np.array([37 * i % 256, 91 * i % 256, 151 * i % 256], np.uint8)
        renderer.load_surface(faces, uvs[faces], np.broadcast_to(color, (8, 8, 3)))
        renderer.move(vertices)
        np.testing.assert_array_equal(renderer.render(view).rgba[16, 16, :3], color)


def test_shade_multiplies_the_bytes(renderer: Renderer) -> None:
    """All bytes times a few shades, dark ones included; a ramp of shades is linear."""
    vertices, faces, uvs = quad(1.5 / (2 * 0.8))  # it fills the image
    view = orbit(size=64)[0]
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    texture = np.stack([values, values.T, 255 - values], -1).repeat(16, 0).repeat(16, 1)
    renderer.load_surface(faces, uvs[faces], texture)
    for shade in (1.0, 0.5, 0.13, 0.0):
        renderer.move(vertices, np.full(4, shade))
        frame = renderer.render(view)
        got = frame.rgba[1::4, 1::4, :3].astype(float)
        assert np.abs(got - shade * texture[::16, ::16]).max() <= 0.51, shade
        assert (frame.rgba[..., 3] == 255).all()

    renderer.load_surface(faces, uvs[faces], np.full((4, 4, 3), 200, np.uint8))
    renderer.move(vertices, np.array([0, 1.0, 1.0, 0]))  # from left to right
    row = renderer.render(view).rgba[20, :, 0]
    np.testing.assert_allclose(row, 200 * (np.arange(64) + 0.5) / 64, atol=1.01)
    renderer.move(vertices)
    assert (renderer.render(view).rgba[..., :3] == 200).all()


def test_partly_and_wholly_outside(renderer: Renderer) -> None:
    vertices, faces, uvs = ball()
    view = orbit(size=64)[0]
    renderer.load_surface(faces, uvs[faces], np.asarray(cells(0)))
    renderer.move(vertices)
    middle = renderer.render(view)
    assert not middle.cropped
    renderer.move(vertices + np.array([0.75, 0, 0]))
    edge = renderer.render(view)
    assert edge.cropped and 0 < (edge.depth > 0).sum() < (middle.depth > 0).sum()
    renderer.move(vertices + np.array([3.0, 0, 0]))
    with pytest.raises(ScanError, match="blank"):
        renderer.render(view)
    # a vertex without a face is no part of it
    stray = np.concatenate([vertices, [[3.0, 0, 0]]])
    renderer.load_surface(faces, uvs[faces], np.asarray(cells(0)))
    renderer.move(stray)
    assert equal(renderer.render(view), middle)


CORNERS = quad()[2][quad()[1]]
GREY = np.full((4, 4, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"faces": np.array([[0, 1, -2], [0, 2, 3]])}, "faces hold the index -2; expected 0"),
        ({"faces": np.zeros((2, 3))}, "faces must be whole numbers [F, 3]"),
        ({"faces": np.zeros((0, 3), int)}, "of at least one face"),
        ({"uvs": CORNERS[:1]}, "uvs must be [2, 3, 2]"),
        ({"uvs": quad()[2]}, "uvs[faces] makes them"),
        ({"uvs": CORNERS * np.nan}, "uvs hold numbers that are not finite"),
        ({"texture": GREY / 255}, "must be uint8 [H, W, 3] or a path, got float64 [4, 4, 3]"),
        ({"texture": GREY[..., 0]}, "got uint8 [4, 4]"),
        ({"texture": Path("none.png")}, "none.png: no such file"),
        ({"texture": "none.png"}, "none.png: no such file"),
        ({"texture": [["red"]]}, "surface: the texture does not hold numbers"),
        ({"faces": [[0, 1, 2], [0, 2]]}, "surface: faces does not hold numbers"),
        ({"uvs": CORNERS * 1j}, "surface: uvs does not hold numbers"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_cannot_be_loaded(renderer: Renderer, given: dict[str, Any], text: str) -> None:
    """One line, and the surface before it stays."""
    vertices, faces, _ = quad()
    good = {"faces": faces, "uvs": CORNERS, "texture": GREY}
    renderer.load_surface(**good)
    renderer.move(vertices)
    with pytest.raises(InputError, match=re.escape(text)) as caught:
        renderer.load_surface(**{**good, **given})
    assert "\n" not in str(caught.value)
    assert (renderer.render(orbit(size=16)[0]).rgba[8, 8] == [128, 128, 128, 255]).all()


def test_a_texture_is_also_a_path_as_text(renderer: Renderer, tmp_path: Path) -> None:
    vertices, faces, _ = quad()
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    renderer.load_surface(faces, CORNERS, str(tmp_path / "grey.png"))
    renderer.move(vertices)
    assert (renderer.render(orbit(size=16)[0]).rgba[8, 8] == [128, 128, 128, 255]).all()


def test_what_cannot_be_moved(renderer: Renderer, tmp_path: Path) -> None:
    vertices, faces, _ = quad()
    view = orbit(size=16)[0]
    with pytest.raises(InputError, match="none to move; call load_surface"):
        renderer.move(vertices)
    renderer.load_surface(faces, CORNERS, GREY)
    with pytest.raises(InputError, match="no place yet; call move"):
        renderer.render(view)
    for wrong, text in [
        (vertices[:3], "the index 3, but there are 3 vertices"),
        (vertices[:, :2], r"must be \[V, 3\], got \[4, 2\]"),
        (np.where(vertices == 0, np.nan, vertices), "4 of 4 vertices are not finite"),
        (vertices.astype(str), "surface: vertices does not hold numbers"),
        ([*vertices[:3], [0.0]], "surface: vertices does not hold numbers"),
        (vertices * 1j, "surface: vertices does not hold numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            renderer.move(wrong)
    for shade, text in [
        (np.ones(3), r"shade must be \[4\]"),
        (np.array([0, 0.5, 1, 1.5]), "outside 0 to 1"),
        (np.array([0, 0.5, 1, np.nan]), "outside 0 to 1"),
        (np.array(["0", "0", "1", "1"]), "surface: shade does not hold numbers"),
        ([0, 0, [1], 1], "surface: shade does not hold numbers"),
        (np.full(4, 1j), "surface: shade does not hold numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            renderer.move(vertices, shade)
    with pytest.raises(InputError, match="no place yet"):  # none of these has moved it
        renderer.render(view)
    renderer.move(vertices)
    with pytest.raises(InputError, match="5 vertices, but it was placed by 4 before"):
        renderer.move(np.concatenate([vertices, vertices[:1]]))

    obj = write_obj(tmp_path / "0000", "0000", *ball(), Image.new("RGB", (64, 64)))
    renderer.load(obj, preflight(ScanFiles("0000", obj, obj)), np.eye(4))
    with pytest.raises(InputError, match="none to move"):  # a scan stays where it is
        renderer.move(ball()[0])
