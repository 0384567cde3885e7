"""Every kind of broken scan gets one line that names the file; Blender would render most of them
without a word."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hgm.errors import ScanError
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles


def rewrite(change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.write_text(change(path.read_text()))

    return apply


def lines(keep: Callable[[str], bool]) -> Callable[[Path], None]:
    return rewrite(lambda text: "".join(line for line in text.splitlines(True) if keep(line)))


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def first_vertex(text: str) -> Callable[[Path], None]:
    return rewrite(lambda data: re.sub(r"^v .*$", f"v {text}", data, count=1, flags=re.M))


def one_point(path: Path) -> None:
    text = path.read_text().splitlines()
    path.write_text("\n".join("v 1 2 3" if line.startswith("v ") else line for line in text))


OBJ = "0001.obj"
MTL = "material0.mtl"
JPEG = "material0.jpeg"
FAULTS: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("no obj", OBJ, Path.unlink, "cannot be read"),
    ("empty obj", OBJ, lambda p: p.write_bytes(b""), "no vertices"),
    ("not an obj", OBJ, lambda p: p.write_bytes(bytes(range(256)) * 40), "no vertices"),
    ("no faces", OBJ, lines(lambda x: not x.startswith("f ")), "no faces"),
    ("no vt lines", OBJ, lines(lambda x: not x.startswith("vt ")), "no texture coordinates"),
    ("faces without vt", OBJ, rewrite(lambda text: re.sub(r"/\d+", "", text)), "v/vt"),
    ("nan", OBJ, first_vertex("nan 0 0"), "not a number"),
    ("inf", OBJ, first_vertex("0 inf 0"), "not a number"),
    ("huge", OBJ, first_vertex("0 1e999 0"), "not finite"),
    ("word", OBJ, first_vertex("0 abc 0"), "not a number"),
    ("two numbers", OBJ, first_vertex("0 0"), "same number of values"),
    (
        "vertex index",
        OBJ,
        lambda p: p.write_text(p.read_text() + "f 1/1 2/2 99999/3\n"),
        "vertex 99999",
    ),
    ("vt index", OBJ, lambda p: p.write_text(p.read_text() + "f 1/1 2/2 3/99999\n"), "vt 99999"),
    ("zero index", OBJ, lambda p: p.write_text(p.read_text() + "f 0/1 2/2 3/3\n"), "vertex 0"),
    (
        "cut in the faces",
        OBJ,
        rewrite(lambda text: text[: text.index("\n", text.index("\nf ") + 9000)]),
        "cut off",
    ),
    (
        "cut in a face",
        OBJ,
        rewrite(lambda text: text[: text.index(" ", text.index("\nf ") + 4)]),
        "fewer than three",
    ),
    ("one point", OBJ, one_point, "one point"),
    ("no mtllib", OBJ, lines(lambda x: not x.startswith("mtllib")), "mtllib"),
    ("no mtl", MTL, Path.unlink, "no such file"),
    ("no map_Kd", MTL, lines(lambda x: not x.startswith("map_Kd")), "map_Kd"),
    (
        "two textures",
        MTL,
        lambda p: p.write_text(p.read_text() + "newmtl b\nmap_Kd other.jpeg\n"),
        "2 textures",
    ),
    ("no texture", JPEG, Path.unlink, "no such file"),
    ("empty texture", JPEG, lambda p: p.write_bytes(b""), "an empty file"),
    (
        "text as texture",
        JPEG,
        lambda p: p.write_text("please sign the form"),
        "neither a JPEG nor a PNG",
    ),
    ("cut texture", JPEG, cut(0.7), "cut off"),
    (
        "head of a texture",
        JPEG,
        lambda p: p.write_bytes(p.read_bytes()[:3] + b"\xff\xd9"),
        "not a readable image",
    ),
]


@pytest.mark.parametrize(
    ("file", "harm", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_each_fault_is_one_line(
    scan: ScanFiles, file: str, harm: Callable[[Path], object], words: str
) -> None:
    path = scan.obj.parent / file
    harm(path)
    with pytest.raises(ScanError) as caught:
        preflight(scan)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ") and words in message


def test_cut_png(scan: ScanFiles) -> None:
    png = scan.obj.parent / "material0.png"
    Image.open(scan.obj.parent / JPEG).save(png)
    (scan.obj.parent / MTL).write_text("newmtl material0\nmap_Kd material0.png\n")
    assert preflight(scan).texture == png
    cut(0.9)(png)
    with pytest.raises(ScanError, match="the PNG has no end"):
        preflight(scan)


def test_a_sound_scan(scan: ScanFiles) -> None:
    checked = preflight(scan)
    assert checked.texture == scan.obj.parent / JPEG and checked.material == scan.obj.parent / MTL
    assert checked.mesh.faces.shape == checked.mesh.uv_faces.shape == (20908, 3)
