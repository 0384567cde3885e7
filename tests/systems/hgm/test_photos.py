"""`hgm reconstruct` and the photos of a run, from files to files, with tiny networks that have
learned nothing."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkouts import ROOT
from estimate_files import FLIP, known, write_pixie, write_pymafx
from PIL import Image
from terminal import ErrorsOnTerminal, screen
from untrained_run import write_untrained_run

from hgm.body.files import load_body
from hgm.cameras import orbit
from hgm.cli import main
from hgm.core.job import Job
from hgm.core.manifests import read_json, write_json
from hgm.core.progress import Progress
from hgm.gaussians import Gaussians
from hgm.images.photos.pose import published
from hgm.images.views import load_image
from hgm.systems.hgm.photo_progress import TimeLeft
from hgm.systems.hgm.photos import SECTIONS

STAGES = ("read", "refine", "coarse", "back_view", "fusion", "write", "mesh")
BESIDE = {"contact.png", "index.html", "page"}  # the folders of the results
CAMERA = np.array([0.93, 0.04, 0.31])
FILES = {
    "input.png",
    "mask.png",
    "coarse.ply",
    "back_coarse.png",
    "back.png",
    "gaussians.ply",
    "turntable.mp4",
    "metrics.json",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return write_untrained_run(tmp_path_factory.mktemp("results") / "tiny")


@pytest.fixture
def photos(tmp_path, rendered) -> Path:
    """A folder with one photo that has a body, one with a mask, and a broken one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(rendered[0] / "rgb_00.png").resize((300, 300)).save(folder / "ann.jpg", quality=95)
    (folder / "ann.npz").write_bytes((rendered[0] / "smplx.npz").read_bytes())
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    mask = np.zeros((90, 120), np.uint8)
    mask[10:80, 40:70] = 255
    mask[20:60, 90:110] = 255
    Image.fromarray(noise).save(folder / "bob.png")
    Image.fromarray(mask).save(folder / "bob_mask.png")
    (folder / "torn.png").write_bytes(b"no picture")
    return folder


def test_photos_to_gaussians_and_meshes_in_one_go(run, photos, tmp_path, capsys):
    (photos / "bob.npz").write_bytes((photos / "ann.npz").read_bytes())
    out = tmp_path / "out"
    assert (
        main(
            [
                "reconstruct",
                str(photos),
                "--run",
                str(run),
                "--out",
                str(out),
                "--device",
                "cpu",
            ]
        )
        == 1
    )
    told = capsys.readouterr()
    *table, count, page = told.out.splitlines()
    assert (count, page) == (f"{out}: 2 reconstructed, 1 failed", f"Open {out}/index.html")
    stages = [line.split()[0] for line in table]
    assert stages == ["libraries", "networks", *STAGES, "page", "total"]
    seconds = [float(line.split()[1]) for line in table]
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1], abs=0.05 * len(seconds))
    lines = told.err.splitlines()
    assert [line for line in lines if line.startswith(("error", "warning"))] == lines[-2:]
    assert lines[-2] == f"warning: {photos / 'bob.png'}: 2 people found; the largest is taken"
    assert lines[-1].startswith(f"error: {photos / 'torn.png'}: not a readable image")
    assert {p.name for p in out.iterdir()} == {"ann", "bob", *BESIDE}
    for name in ("ann", "bob"):
        made = {p.name for p in (out / name).iterdir()}
        assert made >= FILES | {
            "smplx.npz",
            "refinement.tsv",
            "mesh.glb",
            "mesh.png",
            "novel_11.png",
        }
        assert (
            load_image(out / name / "input.png").shape == (3, 64, 64)
            and len(Gaussians.load_ply(out / name / "gaussians.ply")) > 100
        )
        assert str(load_body(out / name / "smplx.npz")["source"]).startswith(
            f"refined from: given: {name}.npz"
        )
    record = read_json(out / "bob/metrics.json")
    assert record["matting"] == "mask bob_mask.png" and record["notes"] == [
        "2 people found; the largest is taken"
    ]
    assert set(record["seconds"]) == set(STAGES)
    assert (
        min(
            record["seconds"][stage]
            for stage in ("refine", "coarse", "back_view", "fusion", "mesh")
        )
        > 0
    )


def test_the_contact_sheet_shows_a_row_for_each_photo(run, photos, tmp_path):
    out = tmp_path / "out"
    main(
        [
            "reconstruct",
            str(photos / "bob.png"),
            str(photos / "ann.jpg"),
            "--run",
            str(run),
            "--out",
            str(out),
            "--variant",
            "no_body",
            "--device",
            "cpu",
            "--no-mesh",
        ]
    )
    sheet = np.asarray(Image.open(out / "contact.png"))
    cell = 160
    gap = 4
    line = 21
    assert sheet.shape[1] == 7 * (cell + gap) - gap
    columns = ("input", "back_coarse", "back", "novel_00", "novel_03", "novel_06", "novel_09")
    for row, name in enumerate(("bob", "ann")):
        top = line + row * (cell + gap + line)
        for column, stem in enumerate(columns):
            shown = sheet[top : top + cell, column * (cell + gap) :][:, :cell]
            truth = Image.open(out / name / f"{stem}.png").resize(
                (cell, cell), Image.Resampling.BICUBIC
            )
            assert np.array_equal(shown, np.asarray(truth)), (name, stem)


def test_networks_without_a_body_branch_need_no_body(run, photos, tmp_path):
    out = tmp_path / "out"
    command = [
        "reconstruct",
        str(photos / "bob.png"),
        "--run",
        str(run),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    assert main([*command, "--variant", "no_body"]) == 0
    made = {p.name for p in (out / "bob").iterdir()}
    assert made >= FILES | {"mesh.glb"} and not {"smplx.npz", "refinement.tsv"} & made
    assert set(read_json(out / "bob/metrics.json")["seconds"]) == {
        "read",
        "coarse",
        "back_view",
        "fusion",
        "write",
        "mesh",
    }


def test_no_file_of_an_earlier_result_lies_beside_a_new_one(run, photos, tmp_path):
    """A body and a mesh of other Gaussians would be taken for those of the new ones."""
    folder = tmp_path / "out/bob"
    folder.mkdir(parents=True)
    for name in ("smplx.npz", "refinement.tsv", "mesh.glb", "mesh.png", "gaussians.ply", "mine"):
        (folder / name).write_text("old")
    words = ["reconstruct", photos / "bob.png", "--run", run, "--out", folder.parent, "--no-mesh"]
    assert main([*map(str, words), "--variant", "no_body", "--device", "cpu"]) == 0
    made = {p.name for p in folder.iterdir()}
    assert not made & {"smplx.npz", "refinement.tsv", "mesh.glb", "mesh.png"}
    assert made >= FILES and (folder / "gaussians.ply").read_bytes() != b"old"
    assert (folder / "mine").read_text() == "old"  # not the workflow's


def test_without_refinement_the_given_body_is_placed_in_the_mask(run, photos, tmp_path):
    out = tmp_path / "out"
    assert (
        main(
            [
                "reconstruct",
                str(photos / "ann.jpg"),
                "--run",
                str(run),
                "--out",
                str(out),
                "--variant",
                "no_refine",
                "--device",
                "cpu",
                "--no-mesh",
            ]
        )
        == 0
    )
    assert not (out / "ann/refinement.tsv").exists()
    at = orbit(size=64)[0].project(torch.from_numpy(load_body(out / "ann/smplx.npz")["vertices"]))[
        0
    ]
    inside = load_image(out / "ann/mask.png")[0] > 0.5
    for axis, pixels in ((0, inside.any(0)), (1, inside.any(1))):
        covered = pixels.nonzero()
        assert float(at[:, axis].min()) == pytest.approx(float(covered[0]), abs=1.5)
        assert float(at[:, axis].max()) == pytest.approx(float(covered[-1]) + 1, abs=1.5)


@pytest.mark.parametrize("write", [write_pixie, write_pymafx])
def test_bodies_of_estimators(run, photos, tmp_path, write):
    body = known(run / "standin/models", eyes=False)
    path = (
        write_pixie(tmp_path, "x", body, CAMERA)
        if write is write_pixie
        else write_pymafx(tmp_path / "output.pkl", body, CAMERA, ["bob_f0_p0", "ann_f1_p0"])
    )
    out = tmp_path / "out"
    assert (
        main(
            [
                "reconstruct",
                str(photos / "ann.jpg"),
                "--body",
                str(path),
                "--run",
                str(run),
                "--out",
                str(out),
                "--variant",
                "no_refine",
                "--device",
                "cpu",
                "--no-mesh",
            ]
        )
        == 0
    )
    made = load_body(out / "ann/smplx.npz")
    assert str(made["source"]) == f"given: {path.name}"
    expected = (body.vertices - body.joints[0]) @ FLIP * float(made["scale"]) + made["translation"]
    assert np.abs(made["vertices"] - expected).max() < 1e-3


def test_normals_pull_the_bodies_of_a_run_that_weighs_them(run, photos, tmp_path, capsys):
    weighing = tmp_path / "weighing"
    weighing.mkdir()
    for path in run.iterdir():
        (weighing / path.name).symlink_to(path)
    record = read_json(run / "run.json")
    record["config"]["refine"]["normal"] = 0.5
    (weighing / "run.json").unlink()
    write_json(weighing / "run.json", record)
    rest = (
        *(str(photos / "ann.jpg"), "--run", str(weighing)),
        *("--out", str(tmp_path / "out"), "--no-mesh"),
    )
    assert main(["reconstruct", *rest, "--device", "cpu"]) == 0
    head, *rows = (
        line.split("\t") for line in (tmp_path / "out/ann/refinement.tsv").read_text().splitlines()
    )
    assert len(rows) == 2 and all(float(row[head.index("normal")]) > 0 for row in rows)
    (weighing / "normals").unlink()
    assert "weighing/normals/weights.safetensors: no such file, which variant full needs" in told(
        capsys, *rest
    )
    assert main(["reconstruct", *rest, "--variant", "no_refine", "--device", "cpu"]) == 0
    record["config"]["normals"]["icon"] = str(tmp_path / "normal.ckpt")
    write_json(weighing / "run.json", record)
    assert "normal.ckpt" in told(capsys, *rest)


def told(capsys, *arguments: object) -> str:
    """The one line of a command that fails."""
    assert main(["reconstruct", *map(str, arguments), "--device", "cpu"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


def test_what_is_missing_is_one_line(run, photos, tmp_path, capsys):
    out = tmp_path / "out"
    rest = ("--out", out)
    nobody = told(capsys, photos / "bob.png", "--run", run, *rest)
    assert "bob.png: no first SMPL-X estimate: " in nobody  # who is drawn with six boxes
    assert "; give --body FILE, put bob.npz beside the photo, or take networks that" in nobody
    assert "no such file; expected a photo" in told(
        capsys, photos / "gone.png", "--run", run, *rest, "--variant", "no_body"
    )
    assert "gone.npz" in told(
        capsys, photos / "ann.jpg", "--body", photos / "gone.npz", "--run", run, *rest
    )
    assert "gone_mask.png: no such file" in told(
        capsys, photos / "bob.png", "--mask", photos / "gone_mask.png", "--run", run, *rest
    )
    assert "--mask: 1 given for 3 photos" in told(
        capsys, photos, "--mask", photos / "bob_mask.png", "--run", run, *rest
    )
    assert "no run.json" in told(capsys, photos, "--run", tmp_path, *rest)
    assert {path.parent.name for path in out.glob("*/*")} == {"page"}  # no result


def test_a_run_that_lacks_networks_says_which(run, photos, tmp_path, capsys):
    half = tmp_path / "half"
    half.mkdir()
    for name in ("run.json", "standin", "coarse", "base", "controlnet"):
        (half / name).symlink_to(run / name)
    rest = (photos / "ann.jpg", "--run", half, "--out", tmp_path / "out", "--no-mesh")
    assert (
        "half/fusion/weights.safetensors: no such file, which variant full needs; finish the run"
        in told(capsys, *rest)
    )
    assert "half/coarse_no_body/weights.safetensors: no such file, which variant no_body" in told(
        capsys, *rest, "--variant", "no_body"
    )
    assert "half/normals/weights.safetensors" in told(
        capsys, *rest, "--variant", "one_view", "--mesh"
    )
    assert main(["reconstruct", *map(str, rest), "--variant", "one_view", "--device", "cpu"]) == 0


def test_each_bad_photo_is_one_line_and_the_others_go_on(run, photos, tmp_path, capsys):
    """An empty mask, a person at the border, no body, a body that is none, an unreadable photo, two
    photos of one name."""
    person = photos / "ann.jpg"
    body = (photos / "ann.npz").read_bytes()
    Image.open(person).crop((0, 0, 300, 150)).save(photos / "cut.png")
    (photos / "cut.npz").write_bytes(body)
    Image.open(person).save(photos / "empty.png")
    Image.new("L", (300, 300)).save(photos / "empty_mask.png")
    (photos / "empty.npz").write_bytes(body)
    Image.open(person).save(photos / "odd.png")
    (photos / "odd.npz").write_bytes(b"odd")
    (photos / "more").mkdir()
    Image.open(person).save(photos / "more/ann.png")
    (photos / "more/ann.npz").write_bytes(body)
    out = tmp_path / "out"
    words = ["reconstruct", photos, photos / "more", "--run", run, "--out", out, "--device", "cpu"]
    assert main([*map(str, words), "--no-mesh"]) == 1
    told = capsys.readouterr()
    assert f"\n{out}: 3 reconstructed, 4 failed\n" in told.out
    expected = {
        "cut.png": "warning: {}: the person reaches the bottom of the picture and may be cut off "
        "there; the networks expect a whole person, so give a picture with room around "
        "it",
        "more/ann.png": "warning: {}: another photo is called ann; this one's results are in ann_2",
        "bob.png": "error: {}: no first SMPL-X estimate: ",
        "empty.png": "error: {}: "
        + str(photos / "empty_mask.png")
        + ": the mask is empty; expected the person white on black",
        "odd.png": "error: {}: " + str(photos / "odd.npz") + ": not a readable npz file",
        "torn.png": "error: {}: not a readable image",
    }
    lines = told.err.splitlines()
    assert len(lines) == len(expected)
    for name, words_of_it in expected.items():
        assert [line for line in lines if line.startswith(words_of_it.format(photos / name))], (
            name,
            lines,
        )
    assert {p.name for p in out.iterdir()} == {"ann", "ann_2", "cut", *BESIDE}


def test_a_result_folder_that_cannot_be_is_one_line(run, photos, tmp_path, capsys):
    (tmp_path / "file").touch()
    line = told(capsys, photos / "ann.jpg", "--run", run, "--out", tmp_path / "file" / "out")
    assert (
        line
        == f"error: --out: {tmp_path}/file/out cannot be made (Not a directory); name a folder of "
        "yours"
    )


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (
            "coarse/weights.safetensors",
            "coarse/weights.safetensors: no such file, which variant full needs; finish the run",
        ),
        (
            "fusion",
            "fusion/weights.safetensors: no such file, which variant full needs; finish the run",
        ),
        ("base", "base/model_index.json: no such file, which variant full needs; finish the run"),
        (
            "controlnet",
            "controlnet/config.json: no such file, which variant full needs; finish the run",
        ),
    ],
)
def test_whatever_of_a_run_is_missing_is_one_line(run, photos, tmp_path, capsys, gone, words):
    half = tmp_path / "half"
    shutil.copytree(run, half, copy_function=os.link)
    shutil.rmtree(half / gone) if (half / gone).is_dir() else (half / gone).unlink()
    assert words in told(capsys, photos / "ann.jpg", "--run", half, "--out", tmp_path / "out")


def test_a_terminal_shows_photo_stage_and_time_left(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "PAUSE", 0.0)
    (photos / "bob.npz").write_bytes((photos / "ann.npz").read_bytes())
    terminal = ErrorsOnTerminal(monkeypatch)
    words = [
        "reconstruct",
        photos,
        "--run",
        run,
        "--out",
        tmp_path / "out",
        "--device",
        "cpu",
    ]
    assert main(list(map(str, words))) == 1
    text = terminal.end()
    assert f"reading the networks of {run}" in text
    drawn = [line for line in text.split("\r\x1b[K") if line.startswith("reconstruct ")]
    for i, name in enumerate(("ann", "bob")):
        for k, stage in enumerate(STAGES):
            start = f"reconstruct {7 * i + k}/21"
            end = f"  {name}: {stage}"
            assert any(line.startswith(start) and line.endswith(end) for line in drawn), end
    assert all(" left  " in line for line in drawn if "bob: " in line)
    lines = screen(text)
    assert (
        lines[0].startswith("reconstruct 21/21  ")
        and lines[1].startswith("warning: ")
        and lines[2].startswith("error: ")
    )
    assert lines[3:] == [""]


def test_the_time_left_is_that_of_the_stages_seen(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("hgm.systems.hgm.photo_progress.time.perf_counter", lambda: now[0])
    time_left = TimeLeft(("read", "mesh"), 3)

    def photo(done: int, read: float, mesh: float) -> list[float | None]:
        left = []
        for stage, seconds in (("read", read), ("mesh", mesh)):
            left.append(time_left.begin(stage, done))
            now[0] += seconds
        time_left.end()
        return left

    assert photo(0, 1.0, 9.0) == [None, None]
    # two more of 10 s; then the mesh, and one of 2 + 9 s
    assert photo(1, 3.0, 9.0) == [20.0, 9.0 + 11.0]
    assert photo(2, 1.0, 1.0) == [11.0, 9.0]


def test_a_run_of_an_older_version_gets_defaults_for_newer_keys(run, tmp_path):
    from hgm.errors import InputError
    from hgm.workflow.finished import finished_config

    old = read_json(run / "run.json")
    del old["config"]["network"]["compile"]
    write_json(tmp_path / "run.json", old)
    assert finished_config(tmp_path)["network"]["compile"] is False
    old["config"]["network"]["width"] = 3
    write_json(tmp_path / "run.json", old)
    with pytest.raises(
        InputError, match=r"run\.json: made by another version of hgm \(network\.width: unknown key"
    ):
        finished_config(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="holds no configuration"):
        finished_config(tmp_path)


NETWORKS = ("coarse", "fusion", "normals")


def test_the_photos_of_a_run_are_done_once(run, photos):
    """The rule's script, on a run that is finished but for its photos."""
    spec = importlib.util.spec_from_file_location("photos_script", ROOT / "scripts/hgm/photos.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    settings = read_json(run / "run.json")["config"]
    names = ("device", "splat", "scans", *SECTIONS)
    files = [
        photos / name for name in ("ann.jpg", "ann.npz", "bob.png", "bob_mask.png", "torn.png")
    ]
    results = run / "photos"
    job = Job(
        "photos",
        {
            "photos": list(map(str, files)),
            **{name: str(run / name / "weights.safetensors") for name in NETWORKS},
            "back_view": [str(run / "base/model_index.json"), str(run / "controlnet/config.json")],
        },
        {"manifest": str(results / "manifest.json"), "sheet": str(results / "contact.png")},
        {
            **{name: settings[name] for name in names},
            "device": "cpu",
            "variant": "full",
            "code": "x",
        },
        log=str(run / "logs/photos.log"),
    )
    script.main(job)
    manifest = json.loads((results / "manifest.json").read_text())
    assert set(manifest["members"]) == {"ann"} and set(manifest["failed"]) == {"bob", "torn"}
    assert (results / "ann/mesh.glb").exists() and (results / "contact.png").exists()
    before = (results / "ann/gaussians.ply").stat().st_mtime_ns
    (photos / "bob.npz").write_bytes((photos / "ann.npz").read_bytes())
    job.input["photos"].append(str(photos / "bob.npz"))
    script.main(job)
    assert set(json.loads((results / "manifest.json").read_text())["members"]) == {"ann", "bob"}
    assert (results / "ann/gaussians.ply").stat().st_mtime_ns == before and (
        results / "bob/mesh.glb"
    ).exists()


def test_a_photo_is_done_once(run, photos, tmp_path, capsys):
    """A second call does what is new or changed, and tells of all."""
    (photos / "torn.png").unlink()
    (photos / "bob.npz").write_bytes((photos / "ann.npz").read_bytes())
    out = tmp_path / "out"
    words = ["reconstruct", str(photos), "--run", str(run), "--out", str(out), "--device", "cpu"]

    def done(*more: str) -> dict[str, int]:
        assert main([*words, "--no-mesh", *more]) == 0
        told = capsys.readouterr()
        assert f"\n{out}: 2 reconstructed, 0 failed\n" in told.out
        assert told.err == f"warning: {photos}/bob.png: 2 people found; the largest is taken\n"
        return {name: (out / name / "metrics.json").stat().st_mtime_ns for name in ("ann", "bob")}

    first = done()
    assert done() == first
    Image.open(photos / "ann.jpg").rotate(180).save(photos / "ann.jpg", quality=95)
    turned = done()
    assert turned["ann"] > first["ann"] and turned["bob"] == first["bob"]
    (out / "bob/gaussians.ply").unlink()
    mended = done()
    assert mended["ann"] == turned["ann"] and mended["bob"] > turned["bob"]
    other = done("--variant", "no_refine")
    assert min(other[name] - mended[name] for name in other) > 0


@pytest.mark.skipif(
    not all((published.FOLDER / network.name).is_file() for network in published.NETWORKS),
    reason="the networks that find people are not there (make pose)",
)
def test_a_photo_alone_is_enough(run, tmp_path, capsys):
    """No mask, no body, and a background that is not plain: half a person, who is told."""
    from skimage import data

    Image.fromarray(data.astronaut()).save(tmp_path / "eve.png")
    words = ["reconstruct", tmp_path / "eve.png", "--run", run, "--out", tmp_path / "out"]
    assert main([*map(str, words), "--device", "cpu"]) == 0
    assert "eve.png: legs and feet outside the picture" in capsys.readouterr().err
    made = tmp_path / "out/eve"
    assert read_json(made / "metrics.json")["matting"] == "MediaPipe Pose"
    assert str(load_body(made / "smplx.npz")["source"]) == "refined from: MediaPipe Pose"
    assert "keypoints" in (made / "refinement.tsv").read_text().splitlines()[0]
