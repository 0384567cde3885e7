"""`hgm export`: every format of a subject's folder, read back by other programs' readers; one line
on failure."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from hgm.cli import main, parser
from hgm.core.run_folder import RunFolder
from hgm.export.formats import FORMATS
from hgm.export.result import find_result
from hgm.gaussians import Gaussians, activate
from hgm.mesh.conversion import colors_of, with_colors
from hgm.mesh.io import save_mesh


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("subject")
    raw = torch.randn(300, 14, generator=torch.Generator().manual_seed(3))
    raw[:, :3] *= 0.3
    raw[:, 3] += 2
    raw[:, 4:7] -= 1.0
    activate(raw).save_ply(folder / "gaussians.ply")
    ball = trimesh.creation.icosphere(2, 0.5)
    colors = np.linspace(60, 255, 3 * len(ball.vertices)).reshape(-1, 3).astype(np.uint8)
    save_mesh(folder / "mesh.glb", with_colors(ball.vertices, ball.faces, colors))
    return folder


def run(*words: object) -> int:
    return main(["export", *map(str, words)])


def test_the_command_offers_every_format() -> None:
    verbs = next(a for a in parser()._actions if a.dest == "verb").choices
    (option,) = (a for a in verbs["export"]._actions if a.dest == "format")
    assert sorted(option.choices) == sorted(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_and_starts_as_it_should(
    subject: Path, tmp_path: Path, name: str, capsys
) -> None:
    out = tmp_path / f"x.{name}"
    assert run(subject, "--out", out, "--size", 32, "--frames", 3) == 0
    start = {
        "ply": b"ply\n",
        "compressed.ply": b"ply\n",
        "glb": b"glTF",
        "png": b"\x89PNG",
        "gif": b"GIF89a",
        "spz": b"\x1f\x8b",
    }
    assert out.read_bytes().startswith(start.get(name, b"")) and name in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


def test_meshes_keep_shape_and_colors(subject: Path, tmp_path: Path) -> None:
    (source,) = trimesh.load(subject / "mesh.glb", process=False).geometry.values()
    assert (
        run(subject, "--out", tmp_path / "a.glb") == run(subject, "--out", tmp_path / "a.obj") == 0
    )
    (glb,) = trimesh.load(tmp_path / "a.glb", process=False).geometry.values()
    assert np.array_equal(glb.vertices, source.vertices) and np.array_equal(glb.faces, source.faces)
    linear = [mesh.visual.vertex_attributes["color"] for mesh in (glb, source)]
    assert len(np.unique(linear[0])) > 20 and np.array_equal(*linear)
    obj = trimesh.load(tmp_path / "a.obj", force="mesh", process=False, maintain_order=True)
    assert np.allclose(obj.vertices, source.vertices, atol=1e-6) and np.array_equal(
        obj.faces, source.faces
    )
    # sRGB, as it was given
    wanted = np.linspace(60, 255, 3 * len(obj.vertices)).reshape(-1, 3).astype(np.uint8)
    # the step of the .glb's linear bytes
    assert np.abs(colors_of(obj).astype(int) - wanted).max() <= 6
    assert obj.is_watertight


def test_pictures_have_the_asked_size_and_turn(subject: Path, tmp_path: Path) -> None:
    for name, more in (
        ("a.mp4", []),
        ("a.gif", []),
        ("a.png", ["--azimuth", 90]),
        ("b.png", ["--elevation", 30]),
    ):
        assert (
            run(subject, "--out", tmp_path / name, "--size", 64, "--frames", 4, "--fps", 10, *more)
            == 0
        )
    video = iio.imread(tmp_path / "a.mp4").astype(float)
    gif = iio.imread(tmp_path / "a.gif")[..., :3].astype(float)
    assert video.shape == gif.shape == (4, 64, 64, 3)
    assert iio.immeta(tmp_path / "a.mp4")["fps"] == 10
    with Image.open(tmp_path / "a.gif") as file:
        assert file.info["duration"] == 100 and file.info["loop"] == 0
    side, above = (iio.imread(tmp_path / f"{x}.png").astype(float) for x in "ab")
    for moving in (gif, video):  # the second of four frames is a quarter turn on
        away = [np.abs(frame - side).mean() for frame in moving]
        assert away[1] < 8 and 2 * away[1] < min(away[0], *away[2:])
    assert np.abs(above - gif[0]).mean() > 8


def test_gaussian_files_are_taken_too(subject: Path, tmp_path: Path) -> None:
    assert run(subject, "--out", tmp_path / "a.spz") == 0
    assert run(tmp_path / "a.spz", "--format", "ply", "--out", tmp_path / "b.ply", "--y-down") == 0
    a = Gaussians.load_ply(subject / "gaussians.ply")
    b = Gaussians.load_ply(tmp_path / "b.ply")
    assert (a.means * torch.tensor([1, -1, -1]) - b.means).abs().max() <= 0.51 / 4096
    assert run(tmp_path / "a.spz", "--out", tmp_path / "c.compressed.ply") == 0
    assert run(tmp_path / "c.compressed.ply", "--out", tmp_path / "d.splat") == 0
    assert (tmp_path / "d.splat").stat().st_size == 32 * len(a)


def test_a_result_knows_its_run(tmp_path: Path, subject: Path) -> None:
    folder = tmp_path / "results/demo/subjects/full/0505"
    folder.mkdir(parents=True)
    (folder / "gaussians.ply").write_bytes((subject / "gaussians.ply").read_bytes())
    assert find_result(folder).run is None
    (tmp_path / "results/demo/run.json").write_text("{}")
    assert (
        find_result(folder).run == RunFolder(tmp_path / "results/demo")
        and find_result(folder).mesh is None
    )


def test_failures_are_one_line(subject: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "photos/me").mkdir(parents=True)
    (tmp_path / "photos/me/gaussians.ply").write_bytes(b"ply")
    (tmp_path / "notes.txt").write_text("x")
    cases = (
        ((tmp_path / "nowhere", "--out", tmp_path / "a.spz"), "no such file or folder"),
        ((tmp_path / "photos", "--out", tmp_path / "a.spz"), "did you mean"),
        ((tmp_path / "notes.txt", "--out", tmp_path / "a.spz"), "not a result"),
        ((tmp_path / "photos/me", "--out", tmp_path / "a.spz"), "not a PLY"),
        ((tmp_path / "photos/me", "--out", tmp_path / "a.glb"), "has no mesh.glb"),
        ((subject / "mesh.glb", "--out", tmp_path / "a.spz"), "has no gaussians.ply"),
        ((subject, "--out", tmp_path / "a.xyz"), "no known format"),
        ((subject, "--format", "gif", "--out", tmp_path / "a.mp4"), "not the name of a gif"),
        ((subject, "--out", tmp_path / "a.png", "--size", 3), "--size"),
        ((subject, "--out", tmp_path / "a.gif", "--frames", 0), "--frames"),
        ((subject, "--out", tmp_path / "a.gif", "--elevation", 90), "--elevation"),
        ((subject, "--out", tmp_path / "a.glb", "--y-down"), "--y-down"),
        ((subject, "--out", tmp_path / "a.spz", "--y-down"), "--y-down"),
        *(
            (
                (subject, "--out", tmp_path / f"notes.txt/a.{name}", "--size", 16),
                "cannot be written",
            )
            for name in FORMATS
        ),
    )
    for words, expected in cases:
        assert run(*words) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and expected in error
    assert not list(tmp_path.glob("a.*"))
