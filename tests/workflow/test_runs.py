"""The tiny preset, whole: every rule, kills in the middle, and a second run that does nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workspace import TINY, Workspace

from hgm.control.jobs import TRAININGS, planned_jobs
from hgm.control.status import describe, plan_of

VARIANTS = ("full", "no_body", "no_refine", "one_view", "no_diffusion")


@pytest.fixture(scope="module")
def finished(calm, tmp_path_factory) -> Workspace:
    """An undisturbed run of this file's own."""
    return calm.copied_to(tmp_path_factory.mktemp("calm") / "work")


def test_every_named_file_is_there(finished):
    results = finished.folder / "results/tiny"
    for name in ("run.json", "scans.tsv", "rejected.tsv", "coarse/weights.safetensors", "coarse/early.safetensors",
                 "fusion/history.tsv", "controlnet/config.json", "base/model_index.json", "report/index.html"):
        assert (results / name).stat().st_size > 0, name
    for variant in VARIANTS:
        for name in ("smplx.npz", "coarse.ply", "back.png", "gaussians.ply", "turntable.mp4", "mesh.glb", "metrics.json"):
            assert (results / f"subjects/{variant}/0505" / name).stat().st_size > 0, (variant, name)
    for table in ("nvs", "geometry", "ablation", "smplx", "backview", "paper_vs_ours"):
        assert (results / f"tables/{table}.csv").read_text().count("\n") > 1, table


def test_the_status_of_a_finished_run_knows_each_of_its_jobs(finished):
    results = finished.folder / "results/tiny"
    plan = plan_of(results)
    assert describe(plan, results, []).endswith("Finished.\n")
    for job in planned_jobs(plan):
        for name in (job.output, f"logs/{job.name}.log", f"logs/{job.name}.job.json", f"benchmarks/{job.name}.jsonl"):
            assert (results / name).is_file(), name
        assert job.rule not in TRAININGS or (results / job.state).is_dir(), job.name


def test_a_run_on_stand_ins_says_so(finished):
    results = finished.folder / "results/tiny"
    assert (results / "standin/STANDIN").exists()
    assert "stand-in" in (results / "report/index.html").read_text().lower()
    assert '"standin": true' in (results / "subjects/full/0505/metrics.json").read_text()
    assert "other data set" in (results / "tables/paper_vs_ours.csv").read_text()


def test_a_photo_is_reconstructed_with_the_networks_of_a_finished_run(finished, tmp_path):
    subject = finished.folder / "results/tiny/subjects/full/0505"
    command = ["reconstruct", str(subject / "input.png"), "--body", str(subject / "smplx.npz"), "--run", "results/tiny",
               "--out", str(tmp_path / "mine")]
    done = subprocess.run([sys.executable, "-m", "hgm.cli", *command], cwd=finished.folder, capture_output=True, text=True)
    assert done.returncode == 0 and "1 reconstructed, 0 failed" in done.stdout, done.stderr
    made = tmp_path / "mine/input"
    for name in ("gaussians.ply", "back.png", "novel_11.png", "turntable.mp4", "smplx.npz"):
        assert (made / name).stat().st_size > 0, name
    seconds = json.loads((made / "metrics.json").read_text())["seconds"]
    assert set(seconds) == {"read", "refine", "coarse", "back_view", "fusion", "write"} and seconds["fusion"] > 0


def test_packed_views_are_taken_for_its_own_by_another_machine(finished, tmp_path):
    there = Workspace(tmp_path / "there")
    packed = str(tmp_path / "views.zip")
    for space, command in ((finished, ("pack", "--out", packed)), (there, ("unpack", packed))):
        done = subprocess.run([sys.executable, "-m", "hgm.cli", *command, "--configfile", "config/tiny.yaml"], cwd=space.folder,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    planned = set(re.findall(r"^(\w+) +\d+$", there.run(*TINY, "--dry-run"), re.MULTILINE))
    assert {"coarse", "evaluate", "report"} <= planned and not {"standin", "catalogue", "render"} & planned


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run(*TINY)


def kill_when(space: Workspace, sign: Path | None, delay: float) -> None:
    """Start the run, wait for a sign of life of a stage, then kill all of it without warning."""
    process = space.start(*TINY)
    deadline = time.monotonic() + 600
    while sign is not None and not any(sign.parent.glob(sign.name)):
        assert process.poll() is None and time.monotonic() < deadline, f"{sign} never came"
        time.sleep(0.05)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_runs_end_with_the_bytes_of_an_undisturbed_one(finished, tmp_path):
    space = Workspace(tmp_path / "work")
    results = space.results
    kill_when(space, results / "views/train000/0*", 0.5)  # render: one scan done, the others not
    kill_when(space, results / "state/coarse/*", 0.2)  # coarse: in its first steps
    kill_when(space, results / "state/controlnet/*", 0.2)
    space.run(*TINY)
    assert space.products() == finished.products()


def test_a_broken_scan_is_set_aside_and_the_rest_goes_on(finished, tmp_path):
    """The stand-ins of the finished run, one of them without its texture, as a user's own data."""
    import shutil

    space = Workspace(tmp_path / "work")
    own = tmp_path / "own"
    shutil.copytree(finished.folder / "results/tiny/standin", own)
    (own / "THuman2.0_Release/0001/material0.jpeg").unlink()
    scans = f"scans={{source: thuman2, root: {own}, models: {own}/models}}"
    space.run(*TINY, "--config", scans, "--until", "render")
    results = space.folder / "results/tiny"
    rejected = (results / "rejected.tsv").read_text().splitlines()
    assert len(rejected) == 2 and rejected[1].startswith("0001\t") and "material0.jpeg" in rejected[1]
    assert (results / "views/train000/0000/rgb_11.png").exists() and not (results / "views/train000/0001").exists()


def test_what_reruns_when_something_changes(finished):
    """Numbers of a stage rerun it and what follows; an unrelated number or a touched file reruns nothing above it."""
    def planned(changes: str) -> set[str]:
        (finished.folder / "changes.yaml").write_text(changes)
        output = finished.run("--configfile", "config/tiny.yaml", str(finished.folder / "changes.yaml"), "--cores", "2", "--dry-run")
        return {line.split()[0] for line in output.split("Job stats:")[-1].splitlines() if len(line.split()) == 2}

    mesh = planned("mesh: {cameras: 9}")
    assert {"mesh", "evaluate", "report"} <= mesh
    assert not {"coarse", "pairs", "fusion", "controlnet", "refine", "base", "render"} & mesh
    fusion = planned("fusion: {steps: 7}")
    assert {"fusion", "reconstruct"} <= fusion and not {"coarse", "render", "base", "pairs"} & fusion
    os.utime(finished.folder / "results/tiny/views/train000/manifest.json")
    assert "Nothing to be done" in finished.run(*TINY, "--dry-run")
