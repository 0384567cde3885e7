"""What a machine does to a run: a full disk, a disk that takes nothing, damaged files, a second
head, a wrong clock, kills.

After each fault the run goes on and ends with the bytes of an undisturbed one; docs/reliability.md
has the table.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import wait_until
from workspace import ROOT, TINY, Workspace

COARSE = ("results/tiny/coarse/weights.safetensors", *TINY)


@pytest.fixture
def space(calm, tmp_path) -> Workspace:
    """A finished run of one's own."""
    return calm.copied_to(tmp_path / "work")


@pytest.fixture
def disk(calm, tmp_path):
    """A small file system of its own with a finished run; `disk(options)` mounts it anew."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"mounting a file system needs root: {done.stderr.strip()}")

    mount("size=2g")
    try:
        yield calm.copied_to(place / "work"), mount
    finally:
        subprocess.run(["umount", str(place)], check=True)


def without_coarse(space: Workspace) -> None:
    shutil.rmtree(space.results / "coarse")
    shutil.rmtree(space.results / "state/coarse")


def failing(space: Workspace, *arguments: str) -> str:
    """What a run prints that does not succeed."""
    process = space.start(*arguments)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1, said
    return said


def test_a_full_disk_is_named_and_what_is_done_stays(disk, calm):
    space, mount = disk
    without_coarse(space)
    used = shutil.disk_usage(space.folder).used
    mount(f"remount,size={used // 1024 + 900}k")
    said = failing(space, *COARSE)
    assert re.search(
        r"error: .*results/tiny/(state/)?coarse.*: No space left on device; free some", said
    ), said
    assert "Traceback" not in said
    mount("remount,size=2g")
    space.run(*COARSE)
    assert space.products() == calm.products()


def test_results_that_cannot_be_written_are_named(disk, calm):
    space, _ = disk
    without_coarse(space)
    place = str(space.folder / "results")
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        said = failing(space, *COARSE)
        assert "Read-only file system" in said and "results/tiny" in said
    finally:
        subprocess.run(["umount", place], check=True)
    space.run(*COARSE)
    assert space.products() == calm.products()


def cut(path: Path) -> None:
    """Lose the second half of a file, at its old time."""
    stamp = path.stat()
    os.truncate(path, stamp.st_size // 2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


@pytest.mark.parametrize(
    ("file", "job"),
    [
        ("coarse/weights.safetensors", "reconstruct/full/test000"),
        ("coarse/early.safetensors", "pairs"),
        ("views/train000/manifest.json", "coarse"),
        ("views/train000/0000/rgb_00.png", "pairs"),
        ("bodies/estimated/test000.json", "refine/test000"),
        ("base/vae/diffusion_pytorch_model.safetensors", "reconstruct/full/test000"),
        ("subjects/full/0505/gaussians.ply", "mesh/full/test000"),
        ("subjects/full/0505/mesh.glb", "evaluate/full/test000"),
    ],
)
def test_the_job_that_reads_a_truncated_file_names_it(space, file, job):
    path = space.results / file
    cut(path)
    stage = job.split("/")[0]
    for folder in ("subjects/full", stage):
        for mark in space.results.glob(f"{folder}/*/.{stage}.json"):
            mark.unlink()
    if "state" not in job:
        shutil.rmtree(space.results / f"state/{job}", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "hgm.cli", "replay", str(space.results / f"logs/{job}.job.json")],
        cwd=space.folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    said = done.stderr
    assert done.returncode == 1 and "Traceback" not in said, said[-3000:]
    assert path.name in said or path.parent.name in said, said[-3000:]


def test_a_truncated_product_is_made_again(space, calm):
    """`hgm doctor` finds it and says what to do."""
    cut(space.results / "subjects/full/0505/gaussians.ply")
    done = subprocess.run(
        [sys.executable, "-m", "hgm.cli", "doctor", "--configfile", "config/hgm/tiny.yaml"],
        cwd=space.folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "(subjects/full/0505/gaussians.ply)" in done.stdout
    advice = re.search(r"run again with (--forcerun) (\S+reconstruct\.json)", done.stdout)
    space.run(*advice.groups(), *TINY)
    assert space.products() == calm.products()


def test_a_second_head_is_turned_away(space):
    """As `make demo` starts it; plain Snakemake has its own lock."""
    without_coarse(space)
    first = space.start(*COARSE)
    wait_until((space.results / "logs/coarse.log").exists, "the first head's job")
    plain = [part for part in space.command(*COARSE) if part != "--nolock"]
    holder = subprocess.Popen(
        plain,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = space.folder / ".snakemake/locks"
    wait_until(lambda: locks.is_dir() and any(locks.iterdir()), "the lock")
    done = subprocess.run(
        plain, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "Directory cannot be locked" in done.stdout + done.stderr
    for process in (holder, first):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_files_of_a_clock_that_is_ahead_are_named(space, calm):
    """The coarse weights are from a clock two minutes ahead: what follows cannot be newer. Once
    their time has come, it can."""
    ahead = time.time() + 120
    for path in (space.results / "coarse").iterdir():
        os.utime(path, (ahead, ahead))
    said = failing(space, "results/tiny/pairs/manifest.json", *TINY)
    assert "clock skew" in said and "coarse/early.safetensors" in said
    for path in (space.results / "coarse").iterdir():
        os.utime(path)
    space.run("results/tiny/pairs/manifest.json", *TINY)
    assert space.products() == calm.products()


KILLS = int(os.environ.get("HGM_KILLS", "6"))


def test_random_kills_lose_nothing(calm, tmp_path):
    """Jobs and heads killed at random, HGM_KILLS times (6; 100 for docs/reliability.md), in one run
    after another."""
    chance = random.Random(20251121)
    killed = 0
    runs = 0
    while runs == 0 or killed < KILLS:
        space = Workspace(tmp_path / f"work{runs}")
        killed += kills_of_one_run(space, chance, KILLS - killed)
        assert space.products() == calm.products()
        shutil.rmtree(space.folder)
        runs += 1
    print(f"{killed} kills in {runs} runs")


def kills_of_one_run(space: Workspace, chance: random.Random, most: int) -> int:
    """Kill jobs and heads of a run of the tiny preset at random until it is through; returns how
    often."""
    killed = 0
    while True:
        head = space.start(*TINY, "--retries", "20")
        drain = subprocess.Popen(["cat"], stdin=head.stdout, stdout=subprocess.DEVNULL)
        while killed < most:
            time.sleep(chance.uniform(2.0, 9.0))
            if head.poll() is not None:
                break
            jobs = children(head.pid)
            victim = chance.choice([head.pid, *jobs, *jobs])
            killed += 1
            if victim == head.pid:
                os.killpg(head.pid, signal.SIGKILL)
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        code = head.wait()
        drain.wait()
        if code != -signal.SIGKILL:
            assert code == 0
            return killed


def children(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            found += [child, *children(child)]
    return found
