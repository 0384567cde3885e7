"""Cycles against geometry that is known: projections, colors, and Open3D's ray caster for depth
and normals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_scans import cells, write_obj

from hgm.cameras import Cameras, look_at, orbit
from hgm.errors import InputError, ScanError
from hgm.geometry.rays import import_open3d
from hgm.render.blender import Frame, Renderer
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles


def show(
    renderer: Renderer,
    folder: Path,
    vertices: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    texture: Image.Image,
) -> None:
    """Load world-space vertices by way of scan units: another scale, place and heading, undone by
    the transform."""
    c = np.cos(0.7)
    s = np.sin(0.7)
    transform = np.eye(4)
    transform[:3, :3] = 1.7 * np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    transform[:3, 3] = [0.3, -0.2, 0.1]
    scan = (vertices - transform[:3, 3]) @ np.linalg.inv(transform[:3, :3]).T
    obj = write_obj(folder / "0000", "0000", scan, faces, uvs, texture)
    renderer.load(obj, preflight(ScanFiles("0000", obj, obj)), transform)


def bumpy(reverse: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dense lumpy ball of radius about 0.5: vertices, faces, uvs."""
    sphere = import_open3d().geometry.TriangleMesh.create_sphere(1.0, 80)
    directions = np.asarray(sphere.vertices)
    faces = np.asarray(sphere.triangles)
    x, y, z = directions.T
    radius = 0.5 + 0.05 * np.sin(5 * x + 1) * np.cos(4 * y) + 0.04 * np.sin(6 * z)
    return (
        directions * radius[:, None],
        faces[:, ::-1] if reverse else faces,
        directions[:, :2] / 2 + 0.5,
    )


def squares(
    camera: Cameras, pixels: np.ndarray, depths: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """World-space squares parallel to the image plane around the points that project to `pixels`;
    centers too."""
    K = camera.K.double().numpy()
    c2w = camera.camera_to_world.double().numpy()
    centers = np.c_[pixels, np.ones(len(pixels))] @ np.linalg.inv(K).T * depths[:, None]
    corners = centers[:, None] + side / 2 * np.array(
        [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    )
    to_world = lambda p: p @ c2w[:3, :3].T + c2w[:3, 3]  # noqa: E731
    return to_world(corners), to_world(centers)


OBLIQUE = Cameras(
    torch.tensor([[170.0, 0, 80.3], [0, 150.0, 61.6], [0, 0, 1]]),
    look_at(torch.tensor([0.9, 0.5, 1.1]), torch.tensor([0.1, 0.0, 0.0])),
    160,
    120,
)


@pytest.mark.parametrize(
    "camera", [orbit(size=128)[0], orbit(size=128)[5], OBLIQUE], ids=["front", "150", "oblique"]
)
def test_points_land_where_the_camera_projects_them(
    renderer: Renderer, tmp_path: Path, camera: Cameras
) -> None:
    rng = np.random.default_rng(0)
    step = 16  # pixels: one square in each cell of a grid, away from its edges
    grid = np.stack(
        np.meshgrid(np.arange(0, camera.width - 15, step), np.arange(0, camera.height - 15, step)),
        -1,
    )
    pixels = grid.reshape(-1, 2) + step / 2 + rng.uniform(-3, 3, (grid.size // 2, 2))
    corners, centers = squares(camera, pixels, rng.uniform(1.2, 1.6, len(pixels)), 0.04)
    faces = np.arange(4 * len(pixels)).reshape(-1, 4)
    show(
        renderer,
        tmp_path,
        corners.reshape(-1, 3),
        faces,
        rng.random((4 * len(pixels), 2)),
        cells(0),
    )
    alpha = renderer.render(camera).rgba[..., 3] / 255

    expected = camera.project(torch.from_numpy(centers).float())[0].numpy()
    np.testing.assert_allclose(expected, pixels, atol=1e-3)
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    for (left, top), point in zip(grid.reshape(-1, 2), expected, strict=True):
        window = np.s_[top : top + step, left : left + step]
        weight = alpha[window]
        centroid = [(w[window] * weight).sum() / weight.sum() for w in (u, v)]
        assert np.abs(centroid - point).max() < 0.1


def test_colors_are_those_of_the_texture(renderer: Renderer, tmp_path: Path) -> None:
    """A square that fills the image: away from the edges of the texture's cells every byte is that
    of the file."""
    camera = orbit(size=64)[0]
    half = 1.5 / (2 * 0.8)  # of the image, in the plane of the pelvis
    vertices = half * np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    texture = cells(3, lossless=True)
    show(
        renderer,
        tmp_path,
        vertices,
        np.array([[0, 1, 2, 3]]),
        np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]),
        texture,
    )
    frame = renderer.render(camera)
    inner = (slice(1, None, 4), slice(2, None, 4))  # cells are four pixels wide
    assert (frame.rgba[..., 3] == 255).all()
    for rows in inner:
        for columns in inner:
            np.testing.assert_array_equal(
                frame.rgba[rows, columns, :3], np.asarray(texture)[::16, ::16]
            )


def cast(vertices: np.ndarray, faces: np.ndarray, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Planar depth (0 = miss) and the interpolated normal, weighted by corner angles, at pixel
    centers; by Open3D."""
    scene = import_open3d().t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(vertices.astype(np.float32), faces.astype(np.uint32))
    origins, directions = (x.movedim(0, -1).numpy() for x in camera.rays())
    hits = {
        k: v.numpy()
        for k, v in scene.cast_rays(np.concatenate([origins, directions], -1), nthreads=1).items()
    }
    hit = np.isfinite(hits["t_hit"])
    forward = camera.world_to_camera[2, :3].numpy()
    depth = np.where(hit, hits["t_hit"], 0) * (directions @ forward)

    corners = vertices[faces]
    edges = [corners[:, (i + 1) % 3] - corners[:, i] for i in range(3)]
    flat = np.cross(edges[0], edges[1])
    flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-30)
    vertex_normals = np.zeros_like(vertices)
    for i in range(3):
        a = edges[i]
        b = -edges[i - 1]
        cosine = (a * b).sum(-1) / np.maximum(
            np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-30
        )
        np.add.at(vertex_normals, faces[:, i], np.arccos(cosine.clip(-1, 1))[:, None] * flat)
    face = np.where(hit, hits["primitive_ids"], 0)
    uv = hits["primitive_uvs"]
    weights = np.stack([1 - uv.sum(-1), uv[..., 0], uv[..., 1]], -1)
    unit = vertex_normals / np.maximum(
        np.linalg.norm(vertex_normals, axis=-1, keepdims=True), 1e-30
    )
    normal = (weights[..., None] * unit[faces[face]]).sum(-2)
    return depth, normal / np.linalg.norm(normal, axis=-1, keepdims=True)


@pytest.mark.parametrize("reverse", [False, True], ids=["outward", "inward"])
def test_depth_and_normals_agree_with_a_ray_caster(
    renderer: Renderer, tmp_path: Path, reverse: bool
) -> None:
    camera = orbit(size=128)[1]
    vertices, faces, uvs = bumpy(reverse)
    show(renderer, tmp_path, vertices, faces, uvs, cells(1))
    frame = renderer.render(camera)
    depth, normal = cast(vertices, faces, camera)
    hit = depth > 0
    got = frame.depth > 0
    assert (hit != got).mean() < 1e-3
    error = np.abs(frame.depth - depth)[hit & got]
    assert np.median(error) < 1e-5 and np.percentile(error, 99) < 1e-3

    inside = frame.rgba[..., 3] == 255
    expected = -normal if reverse else normal  # always towards the camera
    angle = np.degrees(np.arccos((frame.normal * expected).sum(-1).clip(-1, 1)))[inside & hit]
    assert np.median(angle) < 0.5 and np.percentile(angle, 99) < 5
    towards = -(frame.normal * camera.rays()[1].movedim(0, -1).numpy()).sum(-1)[inside]
    assert (towards > 0).mean() > 0.999
    length = np.linalg.norm(frame.normal, axis=-1)
    np.testing.assert_allclose(length, frame.rgba[..., 3] > 0, atol=1e-5)


def equal(a: Frame, b: Frame) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("rgba", "depth", "normal")
    )


def test_a_scan_does_not_change_the_next_one(renderer: Renderer, tmp_path: Path) -> None:
    camera = orbit(size=64)[2]
    ball = (*bumpy(), cells(1))
    show(renderer, tmp_path / "a", *ball)
    first = renderer.render(camera)
    assert equal(first, renderer.render(camera))
    show(renderer, tmp_path / "b", *ball[:3], cells(2))  # the texture's file has the same name
    assert not np.array_equal(first.rgba, renderer.render(camera).rgba)
    show(renderer, tmp_path / "a", *ball)
    assert equal(first, renderer.render(camera))


@pytest.mark.parametrize("name", ["plain", "back\\slash"])
def test_each_of_many_scans_wears_its_own_texture(
    renderer: Renderer, tmp_path: Path, name: str
) -> None:
    """One color each, in turns of loading and rendering: no picture may be taken for an earlier
    one."""
    camera = orbit(size=32)[0]
    ball = bumpy()
    for i in range(40):
        color = (37 * i % 256, 91 * i % 256, 151 * i % 256)
        show(renderer, tmp_path / name / str(i), *ball, Image.new("RGB", (64 + i % 3, 64), color))
        assert np.abs(renderer.render(camera).rgba[16, 16, :3].astype(int) - color).max() < 4, i


def test_scans_at_and_beyond_the_edge_of_the_image(renderer: Renderer, tmp_path: Path) -> None:
    camera = orbit(size=64)[0]
    vertices, faces, uvs = bumpy()
    show(renderer, tmp_path / "middle", vertices, faces, uvs, cells(0))
    middle = renderer.render(camera)
    assert not middle.cropped
    show(renderer, tmp_path / "edge", vertices + np.array([0.75, 0, 0]), faces, uvs, cells(0))
    edge = renderer.render(camera)
    assert edge.cropped and 0 < (edge.depth > 0).sum() < (middle.depth > 0).sum()
    show(renderer, tmp_path / "outside", vertices + np.array([3.0, 0, 0]), faces, uvs, cells(0))
    with pytest.raises(ScanError, match="outside the image"):
        renderer.render(camera)
    show(renderer, tmp_path / "behind", vertices + np.array([0, 0, 3.0]), faces, uvs, cells(0))
    with pytest.raises(ScanError, match="blank"):
        renderer.render(camera)


def test_unknown_device() -> None:
    with pytest.raises(InputError, match="render device: 'tpu'"):
        Renderer(device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(InputError, match="gpu was asked for"):
        Renderer(device="gpu")
    with Renderer(device="auto") as renderer:
        assert renderer.device == "cpu"
