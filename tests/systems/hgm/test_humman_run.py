"""HuMMan from its sequences to the report: every script of a run whose people are seen by ten
Kinects, one after the other."""

import csv
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import metrics
from synthetic_scans import smpl_arrays, write_humman

from hgm.body.model import BodyModel
from hgm.core.checkout import script_of
from hgm.core.job import Job
from hgm.gaussians import Gaussians
from hgm.images.views import load_cameras, load_image
from hgm.splat import render
from hgm.standin.body.core import write_models
from hgm.systems.hgm.plan import Plan

TRAIN = "p000001_a000001"
VAL = "p000002_a000001"
TEST = "p000455_a000986"
SECTIONS = {
    "catalogue": (),
    "render": ("rendering",),
    "coarse": ("seed", "device", "splat", "rendering", "network", "loss", "coarse", "weights"),
    "pairs": ("device", "splat", "rendering", "network", "pairs"),
    "estimate": ("seed", "estimate"),
    "fusion": ("seed", "device", "splat", "rendering", "network", "loss", "fusion", "weights"),
    "refine": ("device", "splat", "rendering", "network", "refine"),
    "reconstruct": ("device", "splat", "rendering", "network", "back_view", "reconstruct"),
    "mesh": ("device", "splat", "mesh", "normals"),
    "evaluate": ("seed", "splat", "weights"),
    "report": (),
}


def do(
    rule: str,
    plan: Plan,
    output: dict[str, Path],
    wildcards: dict[str, str] | None = None,
    *,
    inputs: dict[str, Any],
    **params: Any,
) -> None:
    """One job of a rule, as its script does it."""
    spec = importlib.util.spec_from_file_location(f"{rule}_script", script_of(rule, "hgm"))
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = {
        name: [str(p) for p in value] if isinstance(value, list) else str(value)
        for name, value in inputs.items()
    }
    made = next(iter(output.values()))
    results = next(folder for folder in made.parents if folder.name == plan.config["run"])
    script.main(
        Job(
            rule,
            text,
            {name: str(path) for name, path in output.items()},
            {**plan.params(*SECTIONS[rule]), "code": "", "scans": plan.sources, **params},
            wildcards or {},
            log=str(results / "logs" / f"{rule}.log"),
        )
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/<run>, without the diffusion, which knows no cameras."""
    folder = tmp_path_factory.mktemp("humman")
    write_models(folder / "models")
    model = BodyModel.load(folder / "models", "neutral")
    (folder / "models" / "smpl").mkdir()
    np.savez(folder / "models" / "smpl" / "SMPL_NEUTRAL.npz", **smpl_arrays(model))
    for seed, name in enumerate((TRAIN, VAL, TEST)):
        write_humman(folder / "data", name, model, seed=seed + 5, size=(240, 135))
    plan = Plan(
        {
            "device": "cpu",
            "rendering": {"size": 64},
            "network": {"preset": "tiny"},
            "refine": {"iterations": 2, "every": 1, "sizes": [32]},
            "scans": {
                "source": "humman",
                "root": str(folder / "data"),
                "models": str(folder / "models"),
                "gender": "neutral",
                "train": TRAIN,
                "val": VAL,
                "test": TEST,
            },
            "coarse": {"steps": 2, "supervised": 12, "validate_every": 2},
            "fusion": {"steps": 2, "supervised": 12, "validate_every": 2},
            "reconstruct": {"size": 64, "turntable_size": 16, "turntable_frames": 2},
            "mesh": {
                "cameras": 6,
                "size": 48,
                "voxel": 0.04,
                "truncation": 0.1,
                "min_triangles": 0,
                "refine_steps": 0,
            },
            "evaluate": {"variants": ["no_diffusion"], "surface_samples": 100},
        }
    )
    out = folder / "results" / "demo"
    chunk = {"chunk": "test000"}
    scans = {"scans": out / "scans.tsv"}
    variant = {**chunk, "variant": "no_diffusion"}
    do(
        "catalogue",
        plan,
        {**scans, "rejected": out / "rejected.tsv"},
        inputs={},
        scans=plan.config["scans"],
    )
    for name in plan.chunks:
        do(
            "render",
            plan,
            {"manifest": out / "views" / name / "manifest.json"},
            {"chunk": name},
            inputs=scans,
        )
    views = {"views": [out / "views" / name / "manifest.json" for name in plan.learning_chunks]}
    coarse = out / "coarse" / "weights.safetensors"
    fusion = out / "fusion" / "weights.safetensors"
    do("coarse", plan, {"weights": coarse}, {"branch": ""}, inputs=views)
    do(
        "pairs",
        plan,
        {"manifest": out / "pairs" / "manifest.json"},
        inputs={"coarse": coarse, **views},
    )
    do(
        "fusion",
        plan,
        {"weights": fusion},
        {"branch": ""},
        inputs={"coarse": coarse, "pairs": out / "pairs" / "manifest.json", **views},
    )
    test_views = {"views": out / "views" / "test000" / "manifest.json"}
    first, bodies = (out / "bodies" / name / "test000.json" for name in ("estimated", "refined"))
    do(
        "estimate",
        plan,
        {"manifest": first},
        {**chunk, "first": ""},
        inputs=test_views,
        source="disturbed",
    )
    do(
        "refine",
        plan,
        {"manifest": bodies},
        {**chunk, "first": "", "sides": ""},
        inputs={"bodies": first, "coarse": coarse, **test_views},
        normals=plan.refining_normals,
    )
    people = out / "subjects" / "no_diffusion"
    made, meshes, measured = (
        people / f"test000.{rule}.json" for rule in ("reconstruct", "mesh", "evaluate")
    )
    do(
        "reconstruct",
        plan,
        {"manifest": made},
        variant,
        inputs={"bodies": bodies, "coarse": coarse, "fusion": fusion, **test_views},
    )
    do("mesh", plan, {"manifest": meshes}, variant, inputs={"subjects": made})
    do(
        "evaluate",
        plan,
        {"manifest": measured},
        variant,
        inputs={"subjects": made, "meshes": meshes, "first": first, **test_views},
        evaluate=plan.measuring,
        simple_baselines=True,
    )
    do("report", plan, {"page": out / "report" / "index.html"}, inputs={}, config=plan.config)
    return out


@pytest.fixture(scope="module")
def subject(finished: Path) -> Path:
    return finished / "subjects" / "no_diffusion" / TEST


def front(views: Path) -> int:
    """The camera most in front of the person, who faces +z."""
    eyes = load_cameras(views).centers
    return int((eyes[:, 2] / eyes.norm(dim=1)).argmax())


def test_the_input_is_the_view_that_sees_the_front(finished: Path, subject: Path) -> None:
    views = finished / "views" / "test000" / TEST
    assert front(views) == 5  # not the first, so that a wrong one would show
    assert (load_image(subject / "input.png") - load_image(views / "rgb_05.png")).abs().max() < 1e-6
    pairs = json.loads((finished / "pairs" / "pairs.json").read_text())["pairs"]
    assert [row["view"] for row in pairs] == [
        (front(finished / "views" / "train000" / TRAIN) + 5) % 10
    ]


def test_results_are_seen_by_the_kinects_and_measured_in_all_but_the_input(
    finished: Path, subject: Path
) -> None:
    views = finished / "views" / "test000" / TEST
    found = json.loads((subject / "metrics.json").read_text())
    cameras = load_cameras(views)
    seen = render(Gaussians.load_ply(subject / "gaussians.ply"), cameras).rgb.clamp(0, 1)
    ours = np.stack(
        [
            np.asarray(Image.open(subject / f"novel_{i:02d}.png"), np.float64) / 255
            for i in range(10)
        ]
    )
    truth = np.stack(
        [np.asarray(Image.open(views / f"rgb_{i:02d}.png"), np.float64) / 255 for i in range(10)]
    )
    assert not (subject / "novel_10.png").exists()
    assert np.abs(seen.movedim(1, -1).numpy() - ours).max() < 2 / 255
    others = [i for i in range(10) if i != front(views)]
    numbers = found["views"]["standard"]
    assert numbers["psnr"] == pytest.approx(
        -10 * np.log10(np.square(ours - truth)[others].mean()), abs=1e-3
    )
    similar = [
        metrics.structural_similarity(
            ours[i],
            truth[i],
            channel_axis=-1,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for i in others
    ]
    assert numbers["ssim"] == pytest.approx(np.mean(similar), abs=1e-4)
    behind = (front(views) + 5) % 10
    made = np.asarray(Image.open(subject / "back.png"), np.float64) / 255
    assert found["back"]["standard"]["psnr"] == pytest.approx(
        -10 * np.log10(np.square(made - truth[behind]).mean()), abs=1e-3
    )
    # there is no scan
    assert set(found["geometry"].values()) == {None} and (subject / "mesh.glb").stat().st_size > 0
    assert found["baselines"]["textured_body"]["views"]["standard"]["psnr"] > 15


def test_the_body_lies_in_the_mask(finished: Path) -> None:
    """That of the input, by its own camera with the principal point of the crop."""
    views = finished / "views" / "test000" / TEST
    with np.load(finished / "bodies" / "refined" / TEST / "smplx.npz") as body:
        pixels = (
            load_cameras(views)[front(views)]
            .project(torch.from_numpy(body["vertices"]))[0]
            .floor()
            .long()
            .clamp(0, 63)
        )
    mask = load_image(views / f"mask_{front(views):02d}.png")[0] > 0.5
    assert mask[pixels[:, 1], pixels[:, 0]].float().mean() > 0.8


def test_the_report_says_how(finished: Path) -> None:
    page = (finished / "report" / "index.html").read_text()
    assert (
        "Images were measured in every view but the input&#39;s own" in page
        or "every view but the input's own" in page
    )
    assert not re.findall("Twelve views|View 6|270°", page)  # of the rig
    person = next((finished / "report" / "people").glob("*.html")).read_text()
    assert "Every 36°, ours above the truth" in person
    assert [int(angle) for angle in re.findall(r"Error at (\d+)°", person)] == list(
        range(36, 360, 36)
    )
    with open(finished / "tables" / "nvs.csv") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["subject"] == TEST and row["method"] == "no_diffusion"
        ]
    assert {row["definition"] for row in rows} == {"standard", "released_code", "person_box"}
