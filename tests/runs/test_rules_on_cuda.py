"""Every rule that names a device, with the arguments of its jobs, and the commands that do: on a
pretended CUDA device.

The jobs are those of the finished tiny run. They find its files as Snakemake would have them, so
each rule is done alone.
"""

import dataclasses
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from pretended_cuda import pretended_cuda, quick_splatting
from workspace import ROOT, Workspace

from hgm.bench import rates
from hgm.body.files import load_body
from hgm.cli import main
from hgm.core.checkout import script_of
from hgm.core.job import Job, load_job
from hgm.core.manifests import read_json
from hgm.gaussians import Gaussians
from hgm.systems.hgm.photos import SECTIONS

NAMED = re.compile(r'^\s+(\*\*settings\(.*)?"device",', re.MULTILINE)
RULE = re.compile(r"^rule (\w+):\n((?:(?!rule ).*\n)*)", re.MULTILINE)
# the estimators' hand the device to a program of somebody else
RULES = sorted(
    name
    for name, body in RULE.findall((ROOT / "rules/hgm.smk").read_text())
    if NAMED.search(body) and not name.startswith("estimate_")
)
BACK_VIEW = ("base", "controlnet")
STEPS = {
    "coarse": {"steps": 2, "validate_every": 1},
    "fusion": {"steps": 2, "validate_every": 2},
    "normals": {"steps": 2},
    "base": {"vae_steps": 2, "unet_steps": 2},
    "controlnet": {"steps": 2},
    "mesh": {"refine_steps": 2},
    "reconstruct": {"turntable_frames": 2},
}


@pytest.fixture
def results(calm: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """results/tiny of a copy of the finished run, from its working folder, with the device
    there."""
    monkeypatch.chdir(calm.copied_to(tmp_path / "work").folder)
    with pretended_cuda(), quick_splatting():
        yield Path("results/tiny")


def on_cuda(job: Job) -> Job:
    """The same job on CUDA, in bf16 and with fewer steps."""
    params = {
        name: {**value, **STEPS.get(name, {})} if isinstance(value, dict) else value
        for name, value in job.params.items()
    }
    if "network" in params:
        params["network"]["precision"] = "bf16"
    return dataclasses.replace(job, params={**params, "device": "cuda"})


def jobs(results: Path, rule: str) -> list[Job]:
    """Of one rule in the finished run."""
    found = [load_job(path) for path in sorted(results.glob("logs/**/*.job.json"))]
    return [job for job in found if job.rule == rule]


def do(job: Job) -> None:
    runpy.run_path(str(script_of(job.rule, "hgm")))["main"](job)


def test_the_rules_that_name_a_device_are_those_of_the_finished_run(results):
    named = {
        job.rule
        for path in results.glob("logs/**/*.job.json")
        for job in [load_job(path)]
        if "device" in job.params
    }
    assert {*named, "photos"} == set(RULES) and len(RULES) == 10


@pytest.mark.parametrize("rule", sorted({*RULES} - {"refine", "photos"}))
def test_the_jobs_of_a_rule_are_done_on_cuda(results, rule):
    for job in jobs(results, rule):
        outputs = [
            Path(path)
            for value in job.output.values()
            for path in ([value] if isinstance(value, str) else value)
        ]
        for path in outputs:
            path.unlink()
        do(on_cuda(job))
        assert outputs and all(path.stat().st_size > 0 for path in outputs)
        manifest = (
            read_json(outputs[0])
            if outputs[0].suffix == ".json" and "manifest" in job.output
            else {}
        )
        assert not manifest.get("failed"), manifest
        for subject in manifest.get("members", []):
            folder = outputs[0].parent / subject
            made = {"reconstruct": "gaussians.ply", "mesh": "mesh.glb"}.get(rule)
            if made == "gaussians.ply":
                assert np.isfinite(Gaussians.load_ply(folder / made).packed().numpy()).all()
            assert made is None or (folder / made).stat().st_size > 0


def test_bodies_are_refined_on_cuda_as_on_the_cpu(results):
    (job,) = jobs(results, "refine")
    bodies = job.path("manifest").parent
    before = load_body(bodies / "0505/smplx.npz")
    (bodies / "0505/smplx.npz").unlink()
    do(dataclasses.replace(job, params={**job.params, "device": "cuda"}))
    after = load_body(bodies / "0505/smplx.npz")
    moved = np.abs(
        load_body(results / "bodies/estimated/0505/smplx.npz")["vertices"] - before["vertices"]
    ).mean()
    assert np.abs(after["vertices"] - before["vertices"]).mean() < 0.05 * moved


def test_bodies_without_a_place_are_refined_on_cuda(results, tmp_path):
    """As an estimator gives them that knows no camera, and so the photos of the rule `photos`, of a
    variant without refinement too."""
    settings = read_json(results / "run.json")["config"]
    photo = tmp_path / "ann.png"
    shutil.copyfile(results / "subjects/full/0505/input.png", photo)
    shutil.copyfile(results / "bodies/estimated/0505/smplx.npz", photo.with_suffix(".npz"))
    names = ("device", "splat", "scans", *SECTIONS)
    for variant in ("full", "no_refine"):
        out = results / f"photos_{variant}"
        given = {
            "photos": [str(photo), str(photo.with_suffix(".npz"))],
            "coarse": str(results / "coarse/weights.safetensors"),
            "fusion": str(results / "fusion/weights.safetensors"),
            "back_view": [str(results / f"{name}/manifest.json") for name in BACK_VIEW],
            "normals": str(results / "normals/weights.safetensors"),
        }
        job = Job(
            "photos",
            given,
            {"manifest": str(out / "manifest.json"), "sheet": str(out / "contact.png")},
            {**{name: settings[name] for name in names}, "variant": variant, "code": "x"},
            log=str(results / f"logs/photos_{variant}.log"),
        )
        do(on_cuda(job))
        assert set(read_json(out / "manifest.json")["members"]) == {"ann"}, read_json(
            out / "manifest.json"
        )
        assert (out / "ann/mesh.glb").stat().st_size > 0 and np.isfinite(
            load_body(out / "ann/smplx.npz")["vertices"]
        ).all()


@pytest.mark.parametrize("variant", ["one_view", "no_body"])
def test_the_command_reconstructs_on_cuda(results, tmp_path, variant, capsys):
    photo = tmp_path / "ann.png"
    shutil.copyfile(results / "subjects/full/0505/input.png", photo)
    shutil.copyfile(results / "bodies/estimated/0505/smplx.npz", photo.with_suffix(".npz"))
    words = [
        "reconstruct",
        str(photo),
        "--run",
        str(results),
        "--out",
        str(tmp_path / "out"),
        "--variant",
        variant,
        "--device",
        "cuda",
    ]
    assert main(words) == 0, capsys.readouterr().err
    assert (tmp_path / "out/ann/gaussians.ply").stat().st_size > 0


def test_the_command_draws_pictures_on_cuda(results, tmp_path):
    for suffix in (".png", ".gif", ".mp4"):
        words = [
            "export",
            str(results / "subjects/full/0505"),
            "--out",
            str(tmp_path / f"x{suffix}"),
            "--size",
            "32",
            "--frames",
            "2",
        ]
        assert main(words) == 0 and (tmp_path / f"x{suffix}").stat().st_size > 0


def test_the_command_times_a_stage_on_cuda(results, tmp_path, monkeypatch):
    for sizes in (rates.MATRIX, rates.COPY):  # a real device's would take minutes
        monkeypatch.setitem(sizes, "cuda", 64)
    words = [
        "bench",
        "--preset",
        "tiny",
        "--device",
        "cuda",
        "--repeats",
        "1",
        "--only",
        "volume",
        "splatting",
    ]
    assert main([*words, "--out", str(tmp_path / "b.json")]) == 0
    found = read_json(tmp_path / "b.json")
    rows = {(row["stage"], row["way"].split(" (")[0]): row for row in found["rows"]}
    assert found["device_type"] == "cuda" and rows["volume", "torch"]["seconds"] > 0
    assert (
        rows["splatting", "one call"]["seconds"] > 0 and rows["splatting", "one call"]["peak"] > 0
    )
