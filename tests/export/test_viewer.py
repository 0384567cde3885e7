"""`hgm view`: the scene of a result, the page on a stand-in for viser that records, and on viser
itself where it is installed."""

import contextlib
import importlib.util
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from checkouts import ROOT
from PIL import Image

from hgm.cameras import orbit
from hgm.cli import main
from hgm.core.manifests import write_json
from hgm.errors import InputError, MissingDependency
from hgm.export.result import find_result
from hgm.export.viewer import scene as scenes
from hgm.export.viewer.cameras import rig, turn
from hgm.export.viewer.page import STEPS, Page
from hgm.export.viewer.scene import Scene, load_scene
from hgm.export.viewer.server import start
from hgm.gaussians import Gaussians, activate, rotation_matrices
from hgm.mesh.conversion import with_colors
from hgm.mesh.io import save_mesh


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    folder = tmp_path / "results/demo/subjects/full/0505"
    folder.mkdir(parents=True)
    raw = torch.randn(30, 14, generator=torch.Generator().manual_seed(1))
    raw[:, 3] += 3
    activate(raw).save_ply(folder / "gaussians.ply")
    ball = trimesh.creation.icosphere(1, 0.5)
    save_mesh(folder / "mesh.glb", with_colors(ball.vertices, ball.faces))
    np.savez(folder / "smplx.npz", vertices=np.asarray(ball.vertices, np.float32))
    return folder


class Handle(SimpleNamespace):
    """A node or control: keeps its values and calls back what was registered."""

    def on_click(self, callback: Any) -> None:
        self.clicked = callback

    def on_update(self, callback: Any) -> None:
        self.updated = callback

    def set(self, value: Any, client: Any = None) -> None:
        self.value = value
        self.updated(SimpleNamespace(client=client))


class FakeServer:
    """Records what a `viser.ViserServer` is told."""

    def __init__(self) -> None:
        self.nodes: dict[str, Handle] = {}
        self.controls: dict[str, Handle] = {}
        self.scene = self.gui = self
        self.initial_camera = SimpleNamespace()

    def set_up_direction(self, up: str) -> None:
        self.up = up

    def add_folder(self, name: str) -> Any:
        return contextlib.nullcontext()

    def _node(self, name: str, *data: Any, visible: bool = True, **more: Any) -> Handle:
        self.nodes[name] = Handle(data=data, visible=visible, **more)
        return self.nodes[name]

    add_gaussian_splats = add_glb = add_mesh_simple = add_point_cloud = add_camera_frustum = _node

    def add_checkbox(self, name: str, value: bool) -> Handle:
        self.controls[name] = Handle(value=value)
        return self.controls[name]

    def add_slider(
        self, name: str, low: int, high: int, step: int, value: int, hint: str
    ) -> Handle:
        self.controls[name] = Handle(value=value, range=(low, high, step))
        return self.controls[name]

    def add_button(self, name: str, hint: str) -> Handle:
        self.controls[name] = Handle()
        return self.controls[name]


class FakeClient:
    """One browser."""

    client_id = 7

    def __init__(self, picture: np.ndarray | None = None) -> None:
        self.camera = SimpleNamespace(
            position=np.array([0.0, 0.5, 2.0]),
            look_at=np.array([0.0, 0.2, 0.0]),
            image_width=6,
            image_height=4,
        )
        self.picture = picture
        self.told = []

    def atomic(self) -> Any:
        return contextlib.nullcontext()

    def get_render(
        self, height: int, width: int, *, transport_format: str, timeout: float
    ) -> np.ndarray:
        assert (height, width, transport_format) == (4, 6, "png")
        if self.picture is None:
            raise TimeoutError("30 s")
        return self.picture

    def add_notification(self, title: str, body: str, *, auto_close_seconds: float) -> None:
        self.told.append((title, body))


def click(control: Handle, client: FakeClient) -> None:
    control.clicked(SimpleNamespace(client=client))


def test_a_scene_has_what_the_folder_has(subject: Path) -> None:
    scene = load_scene(find_result(subject))
    g = Gaussians.load_ply(subject / "gaussians.ply")
    assert (
        scene.gaussians is not None
        and torch.equal(scene.gaussians.means, g.means)
        and scene.name == "0505"
    )
    assert scene.mesh is not None and scene.mesh.startswith(b"glTF")
    assert scene.body is not None and scene.body.shape == (42, 3) and scene.faces is None
    R = rotation_matrices(g.quats)
    assert np.allclose(scene.covariances(), R @ torch.diag_embed(g.scales**2) @ R.mT, atol=1e-7)
    alone = load_scene(find_result(subject / "mesh.glb"))
    assert alone.gaussians is None and alone.body is None and alone.mesh == scene.mesh


def test_the_body_takes_the_faces_of_its_run(subject: Path, tmp_path: Path, monkeypatch) -> None:
    ball = trimesh.creation.icosphere(1, 0.5)
    run = tmp_path / "results/demo"
    write_json(run / "run.json", {"config": {"scans": {"models": None, "gender": "male"}}})
    assert load_scene(find_result(subject)).faces is None  # its model is not here
    with pytest.raises(InputError):
        load_scene(find_result(subject), run)  # but was asked for
    with pytest.raises(InputError, match=r"no run\.json"):
        load_scene(find_result(subject), tmp_path)
    monkeypatch.setattr(
        scenes,
        "body_model",
        lambda scans, folder: SimpleNamespace(faces=torch.from_numpy(ball.faces.copy())),
    )
    assert np.array_equal(load_scene(find_result(subject)).faces, ball.faces)
    monkeypatch.setattr(
        scenes, "body_model", lambda scans, folder: SimpleNamespace(faces=torch.full((2, 3), 99))
    )
    with pytest.raises(InputError, match="not those of the run"):
        load_scene(find_result(subject))


def test_layers_have_checkboxes(subject: Path, tmp_path: Path) -> None:
    server = FakeServer()
    scene = load_scene(find_result(subject))
    Page(server, scene, tmp_path)
    shown = lambda: [name for name, node in server.nodes.items() if node.visible]  # noqa: E731
    assert server.up == "+y" and shown() == ["/gaussians"]
    centers, covariances, colors, opacities = server.nodes["/gaussians"].data
    n = len(scene.gaussians)
    assert (
        centers.shape == colors.shape == (n, 3)
        and covariances.shape == (n, 3, 3)
        and opacities.shape == (n, 1)
    )
    assert colors.dtype == opacities.dtype == np.uint8
    server.controls["Gaussians"].set(False)
    server.controls["SMPL-X"].set(True)
    assert shown() == ["/body"]
    server.controls["Cameras"].set(True)
    assert len(shown()) == 13
    only = FakeServer()
    Page(only, Scene("mesh", mesh=b"glTF"), tmp_path)
    assert only.nodes["/mesh"].visible and only.controls["Mesh"].value is True


def test_frustums_are_the_rig_and_take_the_camera(subject: Path, tmp_path: Path) -> None:
    server = FakeServer()
    client = FakeClient()
    Page(server, load_scene(find_result(subject)), tmp_path)
    true = orbit()
    assert np.allclose(rig()[0], true.centers, atol=1e-6)
    assert torch.allclose(
        rotation_matrices(torch.from_numpy(rig()[1])).float(),
        true.camera_to_world[:, :3, :3],
        atol=1e-6,
    )
    click(server.nodes["/cameras/03"], client)
    assert np.allclose(client.camera.position, [1.5, 0, 0], atol=1e-6) and np.allclose(
        client.camera.look_at, 0
    )
    assert client.camera.fov == pytest.approx(np.radians(64.0108), abs=1e-5)
    server.controls["View"].set(6, client)
    assert np.allclose(client.camera.position, [0, 0, -1.5], atol=1e-6)
    server.controls["View"].set(2, None)  # an update that came from no browser moves none


def test_a_turn_is_a_circle_that_ends_where_it_began_and_can_be_stopped(
    subject: Path, tmp_path: Path
) -> None:
    start_ = np.array([0.0, 0.5, 2.0])
    target = np.array([0.0, 0.2, 0.0])
    path = turn(start_, target, 4)
    assert np.allclose(path, [[2, 0.5, 0], [0, 0.5, -2], [-2, 0.5, 0], start_])

    server = FakeServer()
    client = FakeClient()
    seen = []
    page = Page(
        server,
        load_scene(find_result(subject)),
        tmp_path,
        sleep=lambda s: seen.append(client.camera.position),
    )
    click(server.controls["Turn"], client)
    assert len(seen) == STEPS and np.allclose(seen[-1], start_) and not page.turning

    seen.clear()
    page.sleep = lambda s: (seen.append(s), click(server.controls["Turn"], client))[0]
    click(server.controls["Turn"], client)
    assert len(seen) == 1 and not page.turning


def test_screenshots_are_saved_over_white_and_never_replaced(subject: Path, tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 4), np.uint8)
    picture[0] = (200, 0, 0, 255)
    picture[1] = (200, 0, 0, 51)
    server = FakeServer()
    client = FakeClient(picture)
    Page(server, load_scene(find_result(subject)), tmp_path / "shots")
    click(server.controls["Screenshot"], client)
    click(server.controls["Screenshot"], client)
    assert sorted(x.name for x in (tmp_path / "shots").iterdir()) == ["view_00.png", "view_01.png"]
    with Image.open(tmp_path / "shots/view_00.png") as file:
        rows = np.asarray(file)[:, 0].tolist()
    assert rows == [[200, 0, 0], [244, 204, 204], [255, 255, 255], [255, 255, 255]]
    assert client.told[1] == ("Screenshot", str(tmp_path / "shots/view_01.png"))
    silent = FakeClient()
    click(server.controls["Screenshot"], silent)
    assert silent.told[0][0] == "No screenshot" and len(list((tmp_path / "shots").iterdir())) == 2
    nowhere = FakeServer()
    Page(nowhere, Scene("x", mesh=b"glTF"), tmp_path / "shots/view_00.png")
    click(nowhere.controls["Screenshot"], client)
    assert client.told[2][0] == "No screenshot"


def test_failures_are_one_line(subject: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "viser", None)
    with pytest.raises(MissingDependency, match=r"pip install viser=="):
        start(Scene("x"))
    (tmp_path / "bad.glb").write_bytes(b"x")
    for words, expected in (
        ((subject,), "pip install viser=="),
        ((subject, "--port", "0"), "--port: 0"),
        ((subject, "--host", "192.0.2.1"), "--host: 192.0.2.1"),
        ((tmp_path / "bad.glb",), "not a mesh"),
        ((tmp_path / "none",), "no such file"),
    ):
        assert main(["view", *map(str, words), "--no-browser"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and expected in error


def test_the_optional_extra_is_the_version_that_is_named() -> None:
    import tomllib

    from hgm.export.viewer.server import VISER

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["view"] == [f"viser=={VISER}"]


@pytest.mark.skipif(
    importlib.util.find_spec("viser") is None,
    reason="viser is not installed (pip install hgm[view])",
)
def test_viser_takes_the_scene_and_serves_its_page(subject: Path, tmp_path: Path) -> None:
    server = start(load_scene(find_result(subject)), port=18471, shots=tmp_path)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.get_port()}", timeout=60) as page:
            assert b"<html" in page.read().lower()
        assert np.allclose(server.initial_camera.position, [0, 0, 1.5])
    finally:
        server.stop()
