"""The checks of a GPU, tests/gpu, run on the pretended one, in a Python that has only what a
machine with a GPU may have."""

import json
import os
import subprocess
import sys
from pathlib import Path

from checkouts import ROOT

LACKED = ("open3d", "bpy", "snakemake", "joblib", "cv2", "skimage", "sklearn")
LACKING = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *where: None if name.partition(".")[0] in LACKED else find(name, *where)
)
"""
NEED_A_REAL_ONE = {
    "test_compiled_networks_give_what_eager_ones_give",
    "test_spconv_gives_what_torch_gives",
    "test_a_compiled_training",
    "test_one_member_joins_by_nccl",
    "test_several_devices_train_as_one",
    "test_a_job_claims_a_device",
    "test_cycles_on_a_gpu_draws_nearly_the_same_view",
    # but for the renderer in torch
    "test_cuda_gives_the_pictures_and_gradients_of_the_cpu",
}


def environment(tmp_path: Path, *lacked: str) -> dict[str, str]:
    """Of a process that finds none of these packages."""
    (tmp_path / "sitecustomize.py").write_text(f"LACKED = {lacked}{LACKING}")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def test_the_marked_tests_are_collected_without_the_environment(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "gpu",
        "tests",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(tmp_path, *LACKED, "numba"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(line.split(": ") for line in done.stdout.splitlines() if ".py: " in line)
    assert len(counted) == 4 and all(
        name.startswith("tests/gpu/") and int(count) > 5 for name, count in counted.items()
    )
    mark = "pytest.mark." + "gpu"  # of other folders would not be collected
    assert {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("test_*.py")
        if mark in path.read_text()
    } == {"gpu"}


def test_every_check_runs_on_the_pretended_device(tmp_path):
    """With numba, since drawing takes minutes without."""
    out = tmp_path / "gpu.json"
    command = [
        sys.executable,
        "-m",
        "tests.gpu",
        "--pretended-cuda",
        "--out",
        str(out),
        "--minutes",
        "60",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path, *LACKED), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    report = json.loads(out.read_text())
    skipped = {
        name.partition("::")[2]: found["reason"]
        for name, found in report["checks"].items()
        if found["outcome"] == "skipped"
    }
    assert "open3d" in skipped.pop("test_a_stage_of_the_bench_runs[mesh]")
    assert {name.partition("[")[0] for name in skipped} == NEED_A_REAL_ONE, skipped
    assert (
        "needs a real CUDA device" in " ".join(set(skipped.values()))
        and len(set(skipped.values())) == 1
    )
    assert sum(found["outcome"] == "passed" for found in report["checks"].values()) >= 25
    figures = report["checks"]["test_gpu_networks.py::test_cuda_gives_what_the_cpu_gives[1]"]
    assert (
        max(figures["cuda_against_cpu"]) < 1e-4
        and report["pretended"]
        and report["machine"]["packages"]["torch"]
    )


def test_without_a_device_the_command_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu", "--out", str(tmp_path / "x.json")],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 1
        and "sees no CUDA device" in done.stderr
        and done.stderr.count("\n") == 1
    )
