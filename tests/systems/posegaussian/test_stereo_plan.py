"""What the rules of stereo pairs are told: parts, names, sizes, requests; what jobs take; and what
is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from checkouts import ROOT
from stereo_scenes import slope
from torch.utils.flop_counter import FlopCounterMode

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.metrics.lpips import VGG16
from hgm.systems.posegaussian import requests, tables, work
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.dataset import Contents
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.parts import (
    chunk_of,
    condition_of,
    degrees_of,
    folder_of,
    subject_in,
    subject_of,
)
from hgm.systems.posegaussian.plan import Plan
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.space import disk_bytes
from hgm.workflow import configuration
from hgm.workflow.cards import CARDS
from hgm.workflow.jobs import job_of, planned_jobs

PAIRS = {"system": "posegaussian"}
SMALL = {
    **PAIRS,
    "device": "cpu",
    "scans": {"train": "0000-0003", "val": "0500", "test": "0505-0507", "chunk": 2},
    "pairs": {"per_scan": 8, "size": 192},
    "evaluate": {"spacings": [30.0, 45.0], "hard": "0506", "pairs": 2},
}


def changed(**sections) -> Plan:
    """The small configuration with other values."""
    merged = {
        name: {**SMALL.get(name, {}), **values} if isinstance(values, dict) else values
        for name, values in sections.items()
    }
    return Plan({**SMALL, **merged})


def given(**pairs) -> Plan:
    """A configuration of pairs that somebody else rendered."""
    return changed(pairs={"root": "data", **pairs}, evaluate={"spacings": [], "hard": ""})


@pytest.mark.parametrize(
    ("part", "chunk", "condition", "degrees", "folder", "subject"),
    [
        ("test000", "test000", "", None, "test", "0505"),
        ("test000-d22.5", "test000", "d22.5", 22.5, "test-d22.5", "0505-d22.5"),
        ("test012-hard", "test012", "hard", None, "test-hard", "0505-hard"),
    ],
)
def test_all_names_follow_from_that_of_a_part(part, chunk, condition, degrees, folder, subject):
    assert (chunk_of(part), condition_of(part)) == (chunk, condition)
    assert degrees_of(condition) == degrees
    assert (folder_of(part), subject_of("0505", part)) == (folder, subject)
    assert subject_in(f"{subject}_003") == subject and chunk_of(subject) == "0505"


def test_test_scans_are_measured_plain_and_in_each_condition():
    plan = Plan(SMALL)
    assert plan.test_parts == [
        "test000", "test001", "test000-d30", "test001-d30", "test000-d45", "test001-d45",
        "test000-hard",
    ]  # fmt: skip
    assert plan.measured == plan.test_parts
    assert plan.scans_of("test000-hard") == ["0506"]
    assert plan.pairs_of("test001") == [f"0507_{i:03d}" for i in range(8)]
    assert plan.pairs_of("test001-d45") == ["0507-d45_000", "0507-d45_001"]
    assert changed(evaluate={"pairs": None}).pairs_of("test000-hard")[-1] == "0506-hard_007"
    assert changed(capture={"root": "rig"}).measured[-1] == "capture"


def test_pairs_of_a_condition_stand_around_a_scan_as_all_others_do():
    """The steps between them are those of all pairs, of which they are the first."""
    plan = Plan(SMALL)
    for part, degrees in (("test000", 22.5), ("test000-d45", 45.0), ("test000-hard", 22.5)):
        assert plan.sighting(part) == {**plan.config["pairs"], "degrees": degrees}
        assert plan.sighting(part)["per_scan"] == 8


def test_given_pairs_are_of_nobody_who_is_known():
    assert Plan(SMALL).standin and Plan(SMALL).standin_chunks
    plan = given()
    assert not plan.standin and plan.standin_chunks == []
    assert plan.test_parts == ["test000", "test001"]


def test_the_work_of_a_job_is_what_it_renders():
    plan = Plan(SMALL)

    def work(rule: str, **wildcards: str) -> float:
        return job_of(plan, rule, rule, wildcards).work

    assert work("stereo_views", part="test000") == 2 * 8
    assert work("stereo_views", part="test000-d45") == 2 * 2
    assert work("stereo_views", part="test000-hard") == 2
    assert work("rectify", part="test000-d45") == 2 * 2
    assert work("depth", fusion="none") == 50_000 * 2
    assert work("report") == 3 * 8 * 3


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"evaluate": {"hard": "0001"}}, r"^evaluate\.hard: 0001 is not among the test scans"),
        ({"evaluate": {"spacings": [22.5]}}, r"^evaluate\.spacings: 22\.5 is pairs\.degrees"),
        ({"evaluate": {"spacings": [30, 30]}}, r"^evaluate\.spacings: an angle stands in it twice"),
        ({"compat": "released"}, r"^evaluate\.variants: with compat: released, learned and rel"),
        ({"evaluate": {"pairs": 9}}, r"^evaluate\.pairs: 9 of the 8 pairs of a scan, pairs\.per_s"),
        ({"pairs": {"root": "data"}}, r"^pairs\.root: pairs that somebody else rendered have one"),
        ({"heatmaps": {"source": "predictions"}}, r"^heatmaps\.folder: source: predictions needs"),
        ({"capture": {"cameras": ["0", "0"]}}, r"^capture\.cameras: the same camera twice"),
        ({"capture": {"root": "r{x}"}}, r"^capture\.root: r\{x\}: holds '\{'"),
    ],
)
def test_contradictions_are_refused_in_one_line(sections, told):
    with pytest.raises(InputError, match=told) as error:
        changed(**sections)
    assert "\n" not in str(error.value)


LPIPS_FILES = {"vgg16": "vgg16.pth", "lpips": "lpips.pth"}


def test_memory_follows_the_sizes():
    """At the paper's sizes LPIPS alone holds 7 GB of features of a picture of 2048 pixels."""
    small, large = Plan(SMALL), changed(pairs={"size": 1024}, weights=LPIPS_FILES)
    for rule in ("stereo_views", "rectify", "heatmaps", "rig", "novel_views", "stereo_evaluate"):
        assert large.memory(rule) > small.memory(rule), rule
    assert (
        large.memory("stereo_evaluate")
        > 7500
        > changed(pairs={"size": 1024}).memory("stereo_evaluate")
    )
    assert changed(network={"preset": "small"}).memory("gaussian_maps") < small.memory(
        "gaussian_maps"
    )


def test_a_store_holds_what_the_request_says():
    """Bytes of a pixel, by the arrays of a pair and of its three views between."""
    pair = dataclasses.replace(slope(32), heat=np.zeros((2, 32, 32, 17), np.uint8))
    plain = dataclasses.replace(pair, heat=None)
    for given, bytes_each in ((plain, requests.PAIR), (pair, requests.PAIR + 17 * requests.HEAT)):
        assert Contents.of(given).channels + 3 * 4 * 4 == bytes_each


def test_time_follows_the_work():
    small = Plan(SMALL)
    large = changed(
        pairs={"size": 1024, "per_scan": 16},
        scans={"train": "0000-0024", "chunk": 25},
        weights=LPIPS_FILES,
    )
    part = {"part": "test000"}
    measured = {"fusion": "learned", **part}
    assert small.minutes("rectify", part) == 60
    assert small.minutes("stereo_views", part) == 60
    assert large.minutes("stereo_views", {"part": "train000"}) > 60
    on_cpu = large.minutes("stereo_evaluate", measured)
    assert on_cpu > 4 * 60
    assert on_cpu > 1.5 * large.minutes("stereo_evaluate", {"fusion": "none", **part})
    on_gpu = Plan({**large.config, "device": "cuda"})
    assert on_gpu.minutes("stereo_evaluate", measured) < on_cpu / 2
    assert on_gpu.gpus("stereo_evaluate") == 1 and large.gpus("stereo_evaluate") == 0


def test_frames_of_a_rig_are_counted(tmp_path):
    for frame in ("0000", "0001", "0002"):
        (tmp_path / "img" / frame).mkdir(parents=True)
    plan = changed(capture={"root": str(tmp_path)})
    shots = {"shots": "capture"}
    jobs = (("rig", {}), ("heatmaps", shots), ("novel_views", {"fusion": "none", **shots}))
    for rule, wildcards in jobs:
        assert job_of(plan, rule, rule, wildcards).work == 3


@pytest.mark.parametrize(("preset", "size"), [("small", 64), ("paper", 64)])
def test_operations_of_the_network_are_counted(preset, size):
    """Of a forward pass for each pixel of a source view."""
    network = PoseGaussian(Design.of(Network(preset=preset), "learned"))
    views = torch.zeros(2, 3, size, size)
    cameras = Cameras(torch.eye(3).expand(2, 3, 3), torch.eye(4).expand(2, 4, 4), size, size)
    batch = StereoBatch(views, views[:, :1], cameras, torch.ones(2), torch.zeros(2), heat=views)
    with torch.no_grad(), FlopCounterMode(display=False) as matching:
        found = network(batch)
    with torch.no_grad(), FlopCounterMode(display=False) as maps:
        network.maps(batch, found)
    assert sum(p.numel() for p in network.parameters()) == work.PARAMETERS[preset]
    assert matching.get_total_flops() / size**2 == pytest.approx(
        work.MATCHING_FLOP[preset], rel=0.05
    )
    assert maps.get_total_flops() / size**2 == pytest.approx(work.MAPS_FLOP[preset], rel=0.01)


def test_operations_of_lpips_are_counted():
    with torch.device("meta"), FlopCounterMode(display=False) as counted:
        VGG16()(torch.empty(1, 3, 64, 64))
    assert counted.get_total_flops() == work.LPIPS_FLOP * 64**2


def test_estimates_know_every_rule():
    """Disk, time and the settings that decide a time, for jobs as Snakemake plans them."""
    plan = Plan(yaml.safe_load((ROOT / "config/posegaussian/tiny.yaml").read_text()))
    jobs = planned_jobs(plan)
    rules = {job.rule for job in jobs}
    assert {"stereo_views", "heatmaps", "rectify", "stereo_evaluate", "report"} <= rules
    for job in jobs:
        assert work.seconds_of(job, plan, CARDS["cpu"]).likely > 0, job.name
    assert rules - set(tables.DEPENDS_ON) <= {"body_model", "record"}
    tiny = disk_bytes(plan).likely
    more = Plan({**plan.config, "pairs": {**plan.config["pairs"], "size": 128}})
    assert 1e6 < tiny < disk_bytes(more).likely


PRESETS = ROOT / "config/posegaussian"


@pytest.mark.parametrize("name", ["demo", "tiny", "paper"])
def test_presets_are_valid_and_undo_nothing(name):
    path = PRESETS / f"{name}.yaml"
    assert configuration.read_files([path]).system == "posegaussian"
    defaults = configuration.parse(PAIRS).model_dump(mode="json")
    for section, values in configuration.read(path).items():
        for key, value in values.items() if isinstance(values, dict) else ():
            assert defaults[section][key] != value, f"{section}.{key}"


def test_every_preset_is_tested():
    assert {path.stem for path in PRESETS.glob("*.yaml")} == {"demo", "tiny", "paper"}


def touched(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_of(files: list[str], root: Path) -> set[str]:
    return {str(Path(file).relative_to(root)) for file in files}


def test_files_of_given_pairs_are_inputs_of_their_part_alone(tmp_path):
    own = {f"test/{kind}/0505_012/0" for kind in ("img", "mask", "depth", "parm")}
    touched(tmp_path, *own, "test/img/0500_000/0", "train/img/0505_000/0", "test/img/0505_12/0")
    touched(tmp_path, "test/heatmap/0505_012/1.png")
    plan = given(root=str(tmp_path))
    assert names_of(plan.pair_files("test000"), tmp_path) == own
    assert plan.pair_files("val000") == [] and Plan(SMALL).pair_files("test000") == []
    files = changed(
        pairs={"root": str(tmp_path)},
        evaluate={"spacings": [], "hard": ""},
        heatmaps={"source": "files"},
    )
    assert names_of(files.heat_files("test000"), tmp_path) == {"test/heatmap/0505_012/1.png"}
    assert plan.heat_files("test000") == []  # of fits


def test_heat_maps_of_a_folder_are_inputs_of_their_part_alone(tmp_path):
    touched(tmp_path, "0505_000/0.json", "0506-hard_001/1.json", "0000_000/0.json")
    plan = changed(heatmaps={"source": "predictions", "folder": str(tmp_path)})
    for part, name in (("test000", "0505_000/0.json"), ("test000-hard", "0506-hard_001/1.json")):
        assert names_of(plan.heat_files(part), tmp_path) == {name}


@pytest.mark.parametrize("folder", [None, "found"])
def test_files_of_a_rig_are_those_of_its_two_cameras(tmp_path, folder):
    rig = tmp_path / "rig"
    own = {
        f"{kind}/f1/{camera}{ends}"
        for camera in ("cam1", "7")
        for kind, ends in (
            ("img", ".jpg"),
            ("mask", ".png"),
            ("parm", "_intrinsic.npy"),
            ("parm", "_extrinsic.npy"),
        )
    }
    touched(rig, *own, "img/f1/cam10.jpg", "mask/f1/8.png", "heatmap/f1/7.png", "heatmap/f1/8.png")
    touched(tmp_path / "found", "f1/cam1.json", "f1/8.json")
    heat = {"folder": folder and str(tmp_path / folder)}
    if folder:
        heat["source"] = "predictions"
    plan = changed(capture={"root": str(rig), "cameras": ["cam1", "7"]}, heatmaps=heat)
    assert names_of(plan.capture_files(), rig) == own
    found = names_of(plan.heat_files("capture"), tmp_path)
    assert found == ({"found/f1/cam1.json"} if folder else {"rig/heatmap/f1/7.png"})
