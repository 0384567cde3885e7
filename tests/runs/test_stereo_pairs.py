"""Stereo pairs, whole: the tiny preset's run, killed in every rule and gone on with to the same
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
IMPORTS = ("torch._dynamo", "hgm.systems.posegaussian.training")
PRESET = "config/posegaussian/tiny.yaml"
PAIRS = ("--configfile", PRESET, "--cores", "2")
RUN = ("--run", "results/tiny")
RULES = (
    "stereo_views",
    "rectify",
    "heatmaps",
    "depth",
    "gaussian_maps",
    "novel_views",
    "stereo_evaluate",
    "report",
)
PAIR = "subjects/learned/0505_000"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """An undisturbed run."""
    space = Workspace(tmp_path_factory.mktemp("pairs") / "work")
    space.run(*PAIRS, imports=IMPORTS)
    return space


@pytest.fixture(scope="module")
def killed(finished, tmp_path_factory) -> Workspace:
    """A run that was killed in each of its rules, as soon as the rule had begun; its people are
    those of the undisturbed one."""
    space = Workspace(tmp_path_factory.mktemp("killed") / "work")
    shutil.copytree(finished.results / "standin", space.results / "standin")
    for rule in RULES:
        space.kill_in(rule, *PAIRS, imports=IMPORTS)
    space.run(*PAIRS, imports=IMPORTS)
    return space


def test_a_run_killed_in_every_rule_ends_with_the_same_bytes(finished, killed):
    assert killed.products() == finished.products()
    assert "Nothing to be done" in killed.run(*PAIRS)


def test_every_named_file_is_there(finished):
    for name in (
        "render_data/train/img/0000_001/4_hr.jpg",
        "render_data/test/depth/0505_000/1.png",
        "render_data/test-d45/heatmap/0505-d45_000/1.png",
        "rectified/test000/0505_000.npz",
        "rectified/test000/checks.json",
        "rectified/test000-d45/heatmaps/0505-d45_000.npz",
        "depth/learned/weights.safetensors",
        "gaussian_maps/none/model.json",
        f"{PAIR}/points.ply",
        f"{PAIR}/disparity.png",
        f"{PAIR}/between.mp4",
        "subjects/none/0505-d45_000/gaussians.ply",
        "report/index.html",
    ):
        assert (finished.results / name).stat().st_size > 0, name


def test_what_is_measured_is_what_the_pictures_show(finished):
    """PSNR of the whole pictures, from the files alone."""
    metrics = json.loads((finished.results / PAIR / "metrics.json").read_text())
    assert metrics["system"] == "posegaussian" and metrics["standin"] is True
    truth = finished.results / "render_data/test"
    found = []
    for view in (2, 3, 4):
        rgb = np.asarray(Image.open(truth / f"img/0505_000/{view}_hr.jpg"), float) / 255
        mask = np.asarray(Image.open(truth / f"mask/0505_000/{view}.png"))[..., 0] > 0
        rgb = rgb * mask.repeat(2, 0).repeat(2, 1)[..., None]
        ours = np.asarray(Image.open(finished.results / PAIR / f"novel_{view}.png"), float) / 255
        found.append(-10 * np.log10(np.square(ours - rgb).mean()))
    assert metrics["images"]["full"]["standard"]["psnr"] == pytest.approx(np.mean(found), abs=0.01)
    table = (finished.results / "tables/spacing.csv").read_text()
    assert "learned,d45" in table and "oracle,plain" in table
    assert "other data set" in (finished.results / "tables/paper_vs_ours.csv").read_text()


@pytest.mark.parametrize(
    ("change", "again", "stay"),
    [
        ("maps: {ssim: 0.3}", {"gaussian_maps", "novel_views"}, {"depth", "rectify"}),
        ("between: {frames: 6}", {"novel_views", "report"}, {"gaussian_maps"}),
        ("rectify: {centers: half}", {"rectify", "heatmaps", "depth"}, {"stereo_views"}),
        ("evaluate: {spacings: [45.0, 30.0]}", {"stereo_views", "report"}, {"depth"}),
        ("evaluate: {spacings: []}", {"report"}, {"stereo_views", "novel_views"}),
    ],
)
def test_a_change_reruns_what_depends_on_it(finished, tmp_path, change, again, stay):
    other = tmp_path / "other.yaml"
    other.write_text(change)
    planned = jobs_in(finished.plan(*PAIRS[:2], str(other), *PAIRS[2:]))
    assert again <= planned.keys() and not stay & planned.keys(), planned


def test_a_change_of_heat_maps_reruns_nothing_of_who_does_not_see_them(finished, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("heatmaps: {radius: 20.0, encoding: gray1}")
    planned = jobs_in(finished.plan(*PAIRS[:2], str(other), *PAIRS[2:]))
    assert not {"stereo_views", "rectify"} & planned.keys(), planned
    assert planned["depth"] == planned["gaussian_maps"] == 1
    assert planned["novel_views"] == planned["stereo_evaluate"] == 2  # plain and 45 degrees


def test_every_command_knows_its_run(finished, tmp_path):
    space = finished.copied_to(tmp_path / "work")
    status = space.hgm("status", *RUN).stdout
    assert status.endswith("Finished.\n")
    for rule in RULES:
        assert re.search(rf"^{rule} +\d", status, re.MULTILINE), rule
    plan = space.hgm("plan", *PAIRS[:2]).stdout
    assert re.search(r"^gaussian_maps +2 +0 .* done$", plan, re.MULTILINE) and "disk" in plan
    pruned = space.hgm("prune", *RUN, "--dry-run").stdout
    assert "results/tiny/state/gaussian_maps" in pruned
    doctor = space.hgm("doctor", *PAIRS[:2])
    assert "THuman2.0" in doctor.stdout and "FLAME" not in doctor.stdout
    replayed = space.hgm("replay", "results/tiny/logs/stereo_evaluate/learned/test000.job.json")
    assert replayed.returncode == 0, replayed.stderr


def test_the_page_shows_pairs_and_what_is_between(finished):
    folder = finished.results / "report"
    page = (folder / "index.html").read_text()
    for text in ("Photos and disparity", "heat map", "right camera", "Other angles", "45°"):
        assert text in page, text
    assert 'class="pick"' in page
    sources = re.findall(r'src="(assets/[^"]+)"', page)
    assert any(name.endswith(".mp4") for name in sources)
    for name in sources:
        assert (folder / Path(name)).stat().st_size > 0


OWN = """
system: posegaussian
run: own
splat: torch
scans: {train: 0000-0001, val: "0500", test: "0505", chunk: 2}
pairs: {root: data, per_scan: 2, size: 64}
heatmaps: {source: files}
capture: {root: rig, cameras: ["0", "1"]}
network: {preset: small}
depth: {steps: 2, batch: 1, horizon: null, validate_every: 0}
maps: {steps: 2, horizon: null, validate_every: 0}
between: {frames: 2}
evaluate: {variants: [none, learned], spacings: []}
"""


def test_pairs_and_photos_of_somebody_else_go_the_same_way(finished, tmp_path):
    """A folder render_data, its heat maps, and photos of a rig without depth."""
    space = Workspace(tmp_path / "work")
    shutil.copytree(finished.results / "render_data", space.folder / "data")
    for kind, files in (
        ("img", "[01].jpg"),
        ("mask", "[01].png"),
        ("parm", "[01]_*.npy"),
        ("heatmap", "[01].png"),
    ):
        for frame in ("0505_000", "0505_001"):
            (space.folder / "rig" / kind / frame).mkdir(parents=True)
            for file in (finished.results / "render_data/test" / kind / frame).glob(files):
                shutil.copy(file, space.folder / "rig" / kind / frame)
    (space.folder / "rig/mask/0505_001/1.png").unlink()
    (space.folder / "data/test/heatmap/0505_001/0.png").unlink()
    (space.folder / "own.yaml").write_text(OWN)
    space.run("--configfile", str(space.folder / "own.yaml"), "--cores", "2", imports=IMPORTS)
    results = space.folder / "results/own"
    assert not (results / "standin").exists()
    assert (results / "subjects/none/0505_000/between.mp4").exists()
    capture = json.loads((results / "capture/manifest.json").read_text())
    assert list(capture["members"]) == ["0505_000"]
    assert "mask/0505_001/1.png" in capture["failed"]["0505_001"]
    heat = json.loads((results / "render_data/test000.heatmaps.json").read_text())
    assert "data/test/heatmap/0505_001/0.png" in heat["failed"]["0505_001"]
    assert (results / "subjects/none/0505_001/gaussians.ply").exists()
    assert not (results / "subjects/learned/0505_001").exists()
    assert (results / "capture/learned/0505_000/gaussians.ply").exists()
    checks = json.loads((results / "capture/checks.json").read_text())
    assert list(checks) == ["0505_000"] and checks["0505_000"]["degrees"] > 15
