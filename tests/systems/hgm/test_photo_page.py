"""The page of reconstructed photos: whole, offline, each photo with its own files, text that stays
text."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
import trimesh
from hostile_names import FOLDER
from PIL import Image

from hgm.cameras import orbit
from hgm.export.formats import read_gaussians
from hgm.gaussians import Gaussians
from hgm.images.views import save_cameras
from hgm.mesh.conversion import colors_of, with_colors
from hgm.mesh.io import load_mesh, save_mesh
from hgm.systems.hgm.report.photos import write_photo_page
from hgm.workflow.configuration import resolve

CONFIG = resolve({})
VOID = {"meta", "link", "img", "br", "input"}


class Seen(HTMLParser):
    """Elements by name with their attributes, and the text of a page whose elements nest."""

    def __init__(self, file: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(file.read_text())
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def values(self, name: str) -> list[str]:
        """The values of an attribute, wherever it stands."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def links(self) -> list[str]:
        """Files that the page asks for."""
        names = ("src", "href", "data-bundle", "data-gaussians", "data-mesh")
        found = [value for name in names for value in self.values(name)]
        return [link for link in found if not link.startswith(("#", "data:"))]


def write_result(folder: Path, *, seed: int, notes: list[str], mesh: bool = True) -> Path:
    """The files of a reconstructed photo."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in ("input", "back_coarse", "back", *(f"novel_{i:02d}" for i in range(12))):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(
            folder / f"{name}.png"
        )
    Image.fromarray(np.full((32, 32), 255, np.uint8)).save(folder / "mask.png")
    save_cameras(folder, orbit(size=32))
    count = 20 + seed
    Gaussians(
        torch.randn(count, 3) * 0.2,
        torch.full((count,), 0.9),
        torch.full((count, 3), 0.02),
        torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4),
        torch.rand(count, 3),
    ).save_ply(folder / "gaussians.ply")
    (folder / "turntable.mp4").write_bytes(b"film")
    if mesh:
        Image.new("RGB", (96, 64)).save(folder / "mesh.png")
        ball = trimesh.creation.icosphere(subdivisions=1)
        colors = np.full((len(ball.vertices), 3), 100 * seed, np.uint8)
        save_mesh(folder / "mesh.glb", with_colors(ball.vertices, ball.faces, colors))
    seconds = {"read": 0.25, "mesh": 12.04}
    told = {"seconds": seconds, "matting": "alpha channel", "notes": notes}
    (folder / "metrics.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def program(tmp_path) -> Path:
    """Something in the place of the viewer's program."""
    path = tmp_path / "program" / "viewer.js"
    path.parent.mkdir()
    path.write_text("window.hgmViewer = () => {};")
    return path


def test_a_page_of_one_photo_shows_and_offers_all_that_was_made(tmp_path, program):
    out = tmp_path / "mine"
    folder = write_result(out / "ann", seed=1, notes=["2 people found; the largest is taken"])
    file = write_photo_page(out, {"ann": folder}, {}, CONFIG, networks="x", viewer=program)
    assert file == out / "index.html"
    page = Seen(file)
    assert all((out / unquote(link)).is_file() for link in page.links)
    shown = {value for name, e in page.elements if name == "img" for value in [e["src"]]}
    sides = {f"ann/novel_{i:02d}.png" for i in (0, 3, 6, 9)}
    assert shown == sides | {
        f"ann/{name}.png" for name in ("input", "mask", "back_coarse", "back", "mesh")
    }
    offered = [e["href"] for name, e in page.elements if "download" in e]
    assert offered == ["ann/gaussians.ply", "ann/mesh.glb", "ann/turntable.mp4"]
    for words in ("2 people found; the largest is taken", "12.0 s", "alpha channel", "by x."):
        assert words in page.text
    assert "synthetic people only" in page.text  # the demo's networks
    assert not (out / "assets").exists()


def turned(out: Path, source: str, kind: str) -> bytes:
    """What a script hands to the viewer."""
    found = re.fullmatch(rb'.*\.(\w+)="(.*)";\n', (out / source).read_bytes(), re.S)
    assert found is not None and found[1].decode() == kind
    return base64.b64decode(found[2])


def test_each_photo_turns_its_own_gaussians_and_mesh(tmp_path, program):
    out = tmp_path / "mine"
    folders = {name: write_result(out / name, seed=i, notes=[]) for i, name in enumerate("ab", 1)}
    page = Seen(write_photo_page(out, folders, {}, CONFIG, networks="x", viewer=program))
    views = [e for _, e in page.elements if "data-bundle" in e]
    assert [view["data-name"] for view in views] == ["a", "b"]
    for view, seed in zip(views, (1, 2), strict=True):
        (tmp_path / "g.spz").write_bytes(turned(out, view["data-gaussians"], "gaussians"))
        assert len(read_gaussians(tmp_path / "g.spz")) == 20 + seed
        glb = gzip.decompress(turned(out, view["data-mesh"], "mesh"))
        (tmp_path / "m.glb").write_bytes(glb)
        assert np.abs(colors_of(load_mesh(tmp_path / "m.glb")) - 100.0 * seed).max() < 5


def test_without_mesh_viewer_or_photo_the_page_says_so(tmp_path):
    out = tmp_path / "mine"
    folder = write_result(out / "ann", seed=1, notes=[], mesh=False)
    failed = {"torn.png": "torn.png: not a readable image"}
    nowhere = tmp_path / "nowhere.js"
    page = Seen(
        write_photo_page(out, {"ann": folder}, failed, CONFIG, networks="x", viewer=nowhere)
    )
    assert "make viewer" in page.text and "Mesh" not in page.text
    assert "Not reconstructed" in page.text and "not a readable image" in page.text
    none = Seen(write_photo_page(out, {}, failed, CONFIG, networks="x", viewer=nowhere))
    assert "not a readable image" in none.text and "0 photos" in none.text
    real = {**CONFIG, "scans": {**CONFIG["scans"], "source": "thuman2"}}
    again = write_photo_page(out, {"ann": folder}, {}, real, networks="x", viewer=nowhere)
    assert "synthetic people only" not in Seen(again).text


def test_names_and_reasons_are_text_and_their_files_are_found(tmp_path, program):
    out = tmp_path / "mine"
    nasty = f"{FOLDER}<script>x</script>".replace("/", "")
    plain = write_result(out / "plain", seed=1, notes=["note"])
    harmless = write_photo_page(
        out, {"plain": plain}, {"p": "r"}, CONFIG, networks="x", viewer=program
    )
    expected = [(tag, sorted(e)) for tag, e in Seen(harmless).elements]
    folder = write_result(out / nasty, seed=1, notes=[nasty])
    page = Seen(
        write_photo_page(
            out, {nasty: folder}, {nasty: nasty}, CONFIG, networks=nasty, viewer=program
        )
    )
    assert [(tag, sorted(e)) for tag, e in page.elements] == expected
    assert page.text.count(nasty) >= 4
    assert all((out / unquote(link)).is_file() for link in page.links)


def test_what_an_earlier_page_needed_goes_and_the_users_files_stay(tmp_path, program):
    out = tmp_path / "mine"
    first = write_result(out / "ann", seed=1, notes=[])
    write_photo_page(out, {"ann": first}, {}, CONFIG, networks="x", viewer=program)
    before = {path.name for path in (out / "page").iterdir()}
    (out / "page/notes.js").write_text("mine")
    second = write_result(out / "bob", seed=2, notes=[])
    page = Seen(write_photo_page(out, {"bob": second}, {}, CONFIG, networks="x", viewer=program))
    after = {path.name for path in (out / "page").iterdir()}
    assert after == {Path(link).name for link in page.links if "page/" in link} | {"notes.js"}
    assert len(before - after) == 2  # Gaussians and mesh of the first photo
    assert (first / "gaussians.ply").is_file()
