"""Avatars from multi-view videos, whole: the tiny preset's run, killed in every rule and gone on
with to the same bytes, and found by every command."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace, jobs_in

# what the jobs import; torch imports the first when it is first used
IMPORTS = (
    "torch._dynamo",
    "hgm.geometry.rays:import_open3d",
    "hgm.standin.actor",
    "hgm.systems.animatable.training",
)
AVATARS = ("--configfile", "config/animatable/tiny.yaml", "--cores", "2")
RUN = ("--run", "results/tiny")
RULES = (
    "body_model",
    "capture",
    "capture_check",
    "position_maps",
    "pretrain",
    "avatar",
    "avatar_evaluate",
    "animate",
    "report",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """An undisturbed run."""
    space = Workspace(tmp_path_factory.mktemp("avatars") / "work")
    space.run(*AVATARS, imports=IMPORTS)
    return space


def test_a_run_killed_in_every_rule_ends_with_the_same_bytes(finished, tmp_path):
    killed = Workspace(tmp_path / "work")
    for rule in RULES:
        killed.kill_in(rule, *AVATARS, imports=IMPORTS)
    killed.run(*AVATARS, imports=IMPORTS)
    assert killed.products() == finished.products()
    assert "Nothing to be done" in killed.run(*AVATARS)


def test_every_named_file_is_there(finished):
    for name in (
        "standin/models/smplx/SMPLX_MALE.npz",
        "capture/STANDIN",
        "capture/calibration_full.json",
        "capture/smpl_params.npz",
        "capture/cam00/00000007.jpg",
        "capture/cam02/mask/pha/00000000.jpg",
        "check/train.json",
        "check/test.png",
        "maps/manifest.json",
        "pretrain/full/history.tsv",
        "avatar/full/canonical.npz",
        "avatar/full/pose_space.npz",
        "animations/full/walk/rgb/00000005.jpg",
        "animations/full/walk/mask/00000000.png",
        "animations/full/walk/gaussians_0000.ply",
        "report/index.html",
    ):
        assert (finished.results / name).stat().st_size > 0, name


def test_numbers_are_of_pictures_that_no_training_saw(finished):
    for split, cameras, frames in (
        ("novel_view", {"cam02"}, range(6)),
        ("novel_pose", {"cam00", "cam01", "cam03"}, (6, 7)),
        ("novel_both", {"cam02"}, (6, 7)),
    ):
        folder = finished.results / "subjects/full" / split
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["system"] == "animatable" and metrics["standin"] is True
        assert set(metrics["cameras"]) == cameras
        assert metrics["pictures"] == len(cameras) * len(frames)
        found = []
        for path in sorted((folder / "truth").glob("*.png")):
            camera, frame = path.stem.split("_")
            assert camera in cameras and int(frame) in frames
            pair = [
                np.asarray(Image.open(p), float) / 255
                for p in (path, folder / "frames" / path.name)
            ]
            found.append(-10 * np.log10(np.square(pair[0] - pair[1]).mean()))
        assert len(found) == metrics["pictures"]
        psnr = metrics["images"]["full"]["standard"]["psnr"]
        assert psnr == pytest.approx(np.mean(found), abs=0.05)
    table = (finished.results / "tables/avatars.csv").read_text()
    assert table.count("\n") == 10 and "crease" in table
    assert "other data set" in (finished.results / "tables/paper_vs_ours.csv").read_text()


def test_what_is_changed_reruns_what_it_concerns(finished, tmp_path):
    def planned(text: str) -> set[str]:
        (tmp_path / "other.yaml").write_text(text)
        return set(jobs_in(finished.plan(*AVATARS[:2], str(tmp_path / "other.yaml"), *AVATARS[2:])))

    measured = planned("evaluate: {crease: 0.2}")
    assert {"avatar_evaluate", "report"} <= measured
    assert not {"pretrain", "avatar", "animate"} & measured
    filmed = planned("animate: {sigma: 1.0, motions: [walk, wave]}")
    assert "animate" in filmed and not {"avatar", "avatar_evaluate"} & filmed
    trained = planned("avatar: {steps: 7}")
    assert {"avatar", "avatar_evaluate", "animate"} <= trained and "pretrain" not in trained


def test_every_command_knows_its_run(finished, tmp_path):
    space = finished.copied_to(tmp_path / "work")
    status = space.hgm("status", *RUN).stdout
    assert status.endswith("Finished.\n")
    for rule in RULES:
        assert re.search(rf"^{rule} +\d", status, re.MULTILINE), rule
    plan = space.hgm("plan", *AVATARS[:2]).stdout
    assert re.search(r"^avatar +1 +0 .* done$", plan, re.MULTILINE) and "disk" in plan
    pruned = space.hgm("prune", *RUN, "--dry-run").stdout
    assert "results/tiny/state/avatar" in pruned and "results/tiny/state/pretrain" in pruned
    doctor = space.hgm("doctor", *AVATARS[:2])
    assert "multi-view video" in doctor.stdout and "photos of a rig" not in doctor.stdout
    replayed = space.hgm("replay", "results/tiny/logs/avatar_evaluate/full.job.json")
    assert replayed.returncode == 0, replayed.stderr


def test_an_avatar_is_driven_and_filmed(finished, tmp_path):
    for motion, view, size in (("dance", "free", (48, 48)), ("test", "camera:cam01", (48, 48))):
        out = tmp_path / motion
        words = ("--motion", motion, "--view", view, "--frames", "3", "--size", "48")
        done = finished.hgm("animate", *RUN, *words, "--out", out)
        assert done.returncode == 0 and "rgb.mp4: written" in done.stdout, done.stderr
        with Image.open(out / "rgb/00000001.jpg") as picture:
            assert picture.size == size
    for words, told in (
        (("--motion", "jump"), "jump is none of walk"),
        (("--motion", "walk", "--view", "camera:x"), "the capture has no camera x"),
        (("--motion", "walk", "--variant", "static"), "has no avatar static; it has full"),
    ):
        done = finished.hgm("animate", *RUN, *words, "--out", tmp_path / "x")
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and told in done.stderr


def test_the_page_shows_capture_maps_avatars_and_films(finished):
    folder = finished.results / "report"
    page = (folder / "index.html").read_text()
    for text in (
        "An avatar from a multi-view video",
        "A stand-in, no real person",
        "Canonical maps",
        "Held-out poses, held-out cameras",
        "elbows and knees",
        "Gaussians to turn",
        "The space of poses",
        "Actor01",
    ):
        assert text in page, text
    sources = re.findall(r'(?:src|data-gaussians)="(assets/[^"]+)"', page)
    assert any(name.endswith(".mp4") for name in sources)
    assert any(name.endswith(".js") for name in sources)
    for name in sources:
        assert (folder / Path(name)).stat().st_size > 0


OWN = """
system: animatable
run: own
splat: torch
capture: {root: data, models: models, gender: male, train: 0-5:2, test: 6-7, held_out: [cam02]}
maps: {size: 64}
network: {top: 8, cap: 16, style: 16}
pretrain: {steps: 2}
avatar: {steps: 9, validate_every: 9}  # each picture once
evaluate: {variants: [skinned], every: 2}
animate: {motions: [test], size: 48, plys: 0, view: camera}
"""


@pytest.fixture
def own(finished, tmp_path) -> tuple[Workspace, tuple[str, ...]]:
    """A user's capture and configuration."""
    space = Workspace(tmp_path / "work")
    shutil.copytree(finished.results / "capture", space.folder / "data")
    shutil.copytree(finished.results / "standin/models", space.folder / "models")
    (space.folder / "own.yaml").write_text(OWN)
    return space, ("--configfile", str(space.folder / "own.yaml"), "--cores", "2")


def test_a_users_capture_is_taken_as_it_is_and_its_changes_rerun_what_they_concern(own):
    space, wanted = own
    space.run(*wanted, imports=IMPORTS)
    results = space.folder / "results/own"
    assert (results / "report/index.html").exists() and not (results / "capture").exists()
    assert "A stand-in" not in (results / "report/index.html").read_text()

    def planned() -> set[str]:
        return set(jobs_in(space.run(*wanted, "--dry-run")))

    assert not planned() & set(RULES)
    (space.folder / "fewer.yaml").write_text("capture: {test: 7-7}")
    fewer = set(jobs_in(space.run(*wanted[:2], str(space.folder / "fewer.yaml"), "-n")))
    assert "avatar_evaluate" in fewer and not {"position_maps", "pretrain", "avatar"} & fewer
    data = space.folder / "data"
    before = (results / "avatar/skinned/weights.safetensors").read_bytes()
    shutil.copyfile(data / "cam00/00000006.jpg", data / "cam00/00000007.jpg")
    assert "capture_check" in planned()
    space.run(*wanted, imports=IMPORTS)  # of a test frame: checked and measured, nothing else
    assert (results / "avatar/skinned/weights.safetensors").read_bytes() == before
    shutil.copyfile(data / "cam00/00000004.jpg", data / "cam00/00000002.jpg")
    space.run(*wanted, imports=IMPORTS)
    assert (results / "avatar/skinned/weights.safetensors").read_bytes() != before


def test_a_capture_that_does_not_fit_leaves_its_picture_and_trains_nothing(own):
    """Snakemake deletes what a failed job has made, but not what lies beside its log."""
    space, wanted = own
    path = space.folder / "data/calibration_full.json"
    cameras = json.loads(path.read_text())
    turn = np.diag([1.0, -1.0, -1.0])
    for camera in cameras.values():  # y up, z backward
        camera["R"] = (turn @ np.reshape(camera["R"], (3, 3))).reshape(-1).tolist()
        camera["T"] = (turn @ camera["T"]).tolist()
    path.write_text(json.dumps(cameras))
    process = space.start(*wanted, imports=IMPORTS)
    said, _ = process.communicate()
    assert process.returncode == 1
    log = (space.folder / "results/own/logs/capture_check/train.log").read_text()
    assert "the cameras have OpenGL's axes" in log and "capture_check/train.png" in log
    picture = space.folder / "results/own/logs/capture_check/train.png"
    assert picture.stat().st_size > 0
    assert not (space.folder / "results/own/maps").exists(), said
    doctor = space.hgm("doctor", *wanted[:2])
    assert doctor.returncode == 1 and "the cameras have OpenGL's axes" in doctor.stdout
