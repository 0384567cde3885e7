"""Head avatars, whole: the tiny preset's run, killed in every rule and gone on with to the same
bytes, and found by every command."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace, jobs_in

# what the jobs import; torch imports the first when it is first used
IMPORTS = ("torch._dynamo", "hgm.standin.head", "hgm.systems.monogaussian.training")
HEADS = ("--configfile", "config/monogaussian/tiny.yaml", "--cores", "2")
RUN = ("--run", "results/tiny")
RULES = (
    "head_model",
    "head_video",
    "tracking_check",
    "head_avatar",
    "head_evaluate",
    "reanimate",
    "report",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """An undisturbed run."""
    space = Workspace(tmp_path_factory.mktemp("heads") / "work")
    space.run(*HEADS, imports=IMPORTS)
    return space


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Workspace:
    """A run that was killed in each of its rules, as soon as the rule had begun."""
    space = Workspace(tmp_path_factory.mktemp("killed") / "work")
    for rule in RULES:
        space.kill_in(rule, *HEADS, imports=IMPORTS)
    space.run(*HEADS, imports=IMPORTS)
    return space


def test_a_run_killed_in_every_rule_ends_with_the_same_bytes(finished, killed):
    assert killed.products() == finished.products()
    assert "Nothing to be done" in killed.run(*HEADS)


def test_every_named_file_is_there(finished):
    for name in (
        "standin/models/FLAME2020/generic_model.pkl",
        "video/subject1/subject1/train/image/12.png",
        "video/subject1/subject1/test/flame_params.json",
        "check/train.json",
        "check/test.png",
        "avatar/full/points.npz",
        "subjects/full/frozen/frames/1.png",
        "animations/full/sweep/rgb.mp4",
        "animations/full/orbit/canonical.ply",
        "report/index.html",
    ):
        assert (finished.results / name).stat().st_size > 0, name
    metrics = json.loads((finished.results / "subjects/full/frozen/metrics.json").read_text())
    assert metrics["system"] == "monogaussian" and metrics["standin"] is True
    frozen = finished.results / "subjects/full/frozen"
    found = []
    for path in sorted((frozen / "truth").glob("[0-9].png")):
        pictures = [
            np.asarray(Image.open(p), float) / 255 for p in (path, frozen / "frames" / path.name)
        ]
        found.append(-10 * np.log10(np.square(pictures[0] - pictures[1]).mean()))
    assert len(found) == 4
    assert metrics["images"]["full"]["standard"]["psnr"] == pytest.approx(np.mean(found), abs=0.05)
    table = (finished.results / "tables/reenactment.csv").read_text()
    assert table.count("\n") > 10 and "held_out" in table
    assert "other data set" in (finished.results / "tables/paper_vs_ours.csv").read_text()


def test_another_test_clip_trains_nothing_anew(finished, tmp_path):
    """Of a stand-in's clips only the test clip has other cameras."""
    other = tmp_path / "other.yaml"
    other.write_text("standin: {held_out_every: 2}")
    planned = finished.plan(*HEADS[:2], str(other), *HEADS[2:])
    jobs = jobs_in(planned).keys()
    assert {"head_video", "tracking_check", "head_evaluate", "report"} <= jobs, planned
    assert not {"head_avatar", "reanimate"} & jobs, planned


def test_a_clip_that_does_not_fit_leaves_its_picture(finished, tmp_path):
    """Snakemake deletes what a failed job has made, but not what lies beside its log."""
    space = Workspace(tmp_path / "work")
    shutil.copytree(finished.results / "video", tmp_path / "video")
    path = tmp_path / "video/subject1/subject1/train/flame_params.json"
    data = json.loads(path.read_text())
    data["intrinsics"][0] *= -1
    path.write_text(json.dumps(data))
    video = {"root": str(tmp_path / "video")}
    video["models"] = str(finished.results / "standin/models/FLAME2020")
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps({"video": video}))
    process = space.start(*HEADS[:2], str(own), *HEADS[2:])
    said, _ = process.communicate()
    assert process.returncode == 1
    log = (space.results / "logs/tracking_check/train.log").read_text()
    assert "the head is mirrored" in log and "logs/tracking_check/train.png)" in log
    assert (space.results / "logs/tracking_check/train.png").stat().st_size > 0
    assert not (space.results / "check/train.json").exists()
    assert not (space.results / "avatar").exists(), said


def test_every_command_knows_its_run(finished, tmp_path):
    space = finished.copied_to(tmp_path / "work")
    status = space.hgm("status", *RUN).stdout
    assert status.endswith("Finished.\n")
    for rule in RULES:
        assert re.search(rf"^{rule} +\d", status, re.MULTILINE), rule
    plan = space.hgm("plan", *HEADS[:2]).stdout
    assert re.search(r"^head_avatar +1 +0 .* done$", plan, re.MULTILINE) and "disk" in plan
    pruned = space.hgm("prune", *RUN, "--dry-run").stdout
    assert "results/tiny/state/head_avatar" in pruned
    doctor = space.hgm("doctor", *HEADS[:2])
    assert "FLAME 2020" in doctor.stdout and "THuman2.0" not in doctor.stdout
    replayed = space.hgm("replay", "results/tiny/logs/head_evaluate/full/frozen.job.json")
    assert replayed.returncode == 0, replayed.stderr


def test_an_avatar_is_driven_and_filmed(finished, tmp_path):
    clip = "results/tiny/video/subject1/subject1/test/flame_params.json"
    for motion, view in (("sweep", "orbit"), (clip, "own")):
        out = tmp_path / view
        words = ("--motion", motion, "--view", view, "--frames", "6", "--size", "64")
        done = finished.hgm("animate", *RUN, *words, "--out", out)
        assert done.returncode == 0 and "rgb.mp4: written" in done.stdout, done.stderr
        assert (out / "rgb.mp4").stat().st_size > 0
    done = finished.hgm("animate", *RUN, "--motion", "no_such", "--out", tmp_path / "x")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no_such" in done.stderr


def test_the_page_shows_avatars_and_films(finished):
    folder = finished.results / "report"
    page = (folder / "index.html").read_text()
    for text in ("A head avatar", "A stand-in, no real person", "Tracking", "Sweep", "Orbit"):
        assert text in page, text
    sources = re.findall(r'src="(assets/[^"]+)"', page)
    assert any(name.endswith(".mp4") for name in sources)
    for name in sources:
        assert (folder / Path(name)).stat().st_size > 0


OWN = """
system: monogaussian
run: own
video: {root: data, subject: subject1, size: 64, models: FLAME2020}
avatar:
  deformer_width: 16
  geometry_width: 32
  correction_width: 16
  frequencies: 2
  epochs: 1
  batch: 4
  bands: [{start: 0.0, points: 400, radius: 0.0844}]
evaluate: {variants: [full], protocols: [frozen]}
animate: {drivers: [orbit], frames: 2, size: 64}
"""


def test_a_users_video_is_taken_as_it_is_and_its_changes_rerun_what_they_concern(
    finished, tmp_path
):
    space = Workspace(tmp_path / "work")
    shutil.copytree(finished.results / "video", space.folder / "data")
    shutil.copytree(finished.results / "standin/models/FLAME2020", space.folder / "FLAME2020")
    (space.folder / "own.yaml").write_text(OWN)
    wanted = ("--configfile", str(space.folder / "own.yaml"), "--cores", "2")
    space.run(*wanted)
    results = space.folder / "results/own"
    assert (results / "report/index.html").exists() and not (results / "standin").exists()
    assert "A stand-in" not in (results / "report/index.html").read_text()
    clips = space.folder / "data/subject1/subject1"

    def planned() -> set[str]:
        return set(jobs_in(space.run(*wanted, "--dry-run")))

    assert not planned() & set(RULES)
    shutil.copyfile(clips / "test/image/1.png", clips / "test/image/2.png")
    assert planned() >= {"tracking_check", "head_evaluate", "report"}
    assert "head_avatar" not in planned()
    shutil.copyfile(clips / "train/image/1.png", clips / "train/image/2.png")
    assert planned() >= {"head_avatar", "reanimate"}
    before = (results / "avatar/full/weights.safetensors").read_bytes()
    space.run(*wanted)
    assert (results / "avatar/full/weights.safetensors").read_bytes() != before
