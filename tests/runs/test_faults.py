"""What a machine does to a run: a full disk, a disk that takes nothing, damaged files, a second
head, a wrong clock, kills.

After each fault the run goes on and ends with the bytes of an undisturbed one; docs/reliability.md
has the table. The runs are of the smallest system (new_system.py): what happens to them is done by
Snakemake and the shared parts.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cluster import wait_until
from workspace import FIELD, STANDINS, TINT, Workspace, cut

SHOW = ("results/tiny/subjects/learned/show.json", *TINT)


@pytest.fixture
def space(tint_calm, tmp_path) -> Workspace:
    """A finished run of one's own."""
    return tint_calm.copied_to(tmp_path / "work")


@pytest.fixture
def disk(tint_calm, tmp_path):
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
        yield tint_calm.copied_to(place / "work"), mount
    finally:
        subprocess.run(["umount", str(place)], check=True)


def without_field(space: Workspace) -> None:
    shutil.rmtree(space.results / "field")
    shutil.rmtree(space.results / "state/field")
    (space.results / "logs/field.log").unlink()


def failing(space: Workspace, *arguments: str) -> str:
    """What a run prints that does not succeed."""
    process = space.start(*arguments)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1, said
    return said


def test_a_full_disk_is_named_and_what_is_done_stays(disk, tint_calm):
    space, mount = disk
    shutil.rmtree(space.results / "subjects")
    used = shutil.disk_usage(space.folder).used
    mount(f"remount,size={used // 1024 + 200}k")
    said = failing(space, *SHOW)
    assert re.search(
        r"error: .*results/tiny/subjects.*: No space left on device; free some", said
    ), said
    assert "Traceback" not in said
    mount("remount,size=2g")
    space.run(*SHOW)
    assert space.products() == tint_calm.products()


def test_results_that_cannot_be_written_are_named(disk, tint_calm):
    space, _ = disk
    without_field(space)
    place = str(space.folder / "results")
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        said = failing(space, *FIELD)
        assert "Read-only file system" in said and "results/tiny" in said
    finally:
        subprocess.run(["umount", place], check=True)
    space.run(*FIELD)
    assert space.products() == tint_calm.products()


def replayed(space: Workspace, job: str) -> str:
    """What a job says that cannot be done."""
    record = space.results / f"logs/{job}.job.json"
    done = space.hgm("replay", str(record))
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.stderr


@pytest.mark.parametrize(
    ("file", "job"),
    [
        ("field/weights.safetensors", "show"),
        ("points/train000/manifest.json", "field"),
        ("points/train000/0000/points.safetensors", "field"),
    ],
)
def test_the_job_that_reads_a_truncated_file_names_it(space, file, job):
    path = space.results / file
    cut(path)
    shutil.rmtree(space.results / f"state/{job}", ignore_errors=True)
    assert path.name in replayed(space, job)


def test_a_truncated_product_is_made_again(space, tint_calm):
    """`hgm doctor` finds it and says what to do."""
    cut(space.results / "subjects/learned/0505/gaussians.ply")
    done = space.hgm("doctor", *TINT[:2])
    assert "(subjects/learned/0505/gaussians.ply)" in done.stdout
    advice = re.search(r"run again with (--forcerun) (\S+show\.json)", done.stdout)
    space.run(*advice.groups(), *TINT)
    assert space.products() == tint_calm.products()


def test_a_second_head_is_turned_away(space):
    """As `make demo` starts it; plain Snakemake has its own lock."""
    without_field(space)
    longer = space.folder / "longer.yaml"
    longer.write_text("field: {steps: 1000000}")
    target = (*FIELD[:3], str(longer), *FIELD[3:])
    first = space.start(*target)
    wait_until((space.results / "logs/field.log").exists, "the first head's job")
    plain = [part for part in space.command(*target) if part != "--nolock"]
    environment = {**os.environ, "PYTHONPATH": str(space.root)}
    holder = subprocess.Popen(
        plain,
        cwd=space.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = space.folder / ".snakemake/locks"
    wait_until(lambda: locks.is_dir() and any(locks.iterdir()), "the lock")
    done = subprocess.run(plain, cwd=space.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Directory cannot be locked" in done.stdout + done.stderr
    for process in (holder, first):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_files_of_a_clock_that_is_ahead_are_named(space, tint_calm):
    """The weights are from a clock two minutes ahead: what follows cannot be newer. Once their time
    has come, it can."""
    ahead = time.time() + 120
    for path in (space.results / "field").iterdir():
        os.utime(path, (ahead, ahead))
    (space.folder / SHOW[0]).unlink()
    said = failing(space, *SHOW)
    assert "clock skew" in said and "field/weights.safetensors" in said
    for path in (space.results / "field").iterdir():
        os.utime(path)
    space.run(*SHOW)
    assert space.products() == tint_calm.products()


KILLS = int(os.environ.get("HGM_KILLS", "6"))


def test_random_kills_lose_nothing(tint_calm, tmp_path):
    """Jobs and heads killed at random, HGM_KILLS times (6; 100 for docs/reliability.md), in one run
    after another."""
    chance = random.Random(20251121)
    killed = 0
    runs = 0
    while runs == 0 or killed < KILLS:
        space = Workspace(tmp_path / f"work{runs}", tint_calm.root)
        killed += kills_of_one_run(space, chance, KILLS - killed)
        assert space.products() == tint_calm.products()
        shutil.rmtree(space.folder)
        runs += 1
    print(f"{killed} kills in {runs} runs")


def kills_of_one_run(space: Workspace, chance: random.Random, most: int) -> int:
    """Kill jobs and heads of a run at random until it is through; returns how
    often."""
    killed = 0
    while True:
        head = space.start(*TINT, "--retries", "20", imports=STANDINS)
        while killed < most:
            time.sleep(chance.uniform(0.5, 3.0))
            if head.poll() is not None:
                break
            jobs = [job for child in children(head.pid) for job in children(child)]
            victim = chance.choice([head.pid, *jobs, *jobs])
            killed += 1
            if victim == head.pid:
                os.killpg(head.pid, signal.SIGKILL)
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        code = head.wait()
        if code != -signal.SIGKILL:
            assert code == 0
            return killed


def children(pid: int) -> list[int]:
    """Those of a process; the jobs of a head are children of its child."""
    listings = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listing in listings for child in listing.read_text().split()]
