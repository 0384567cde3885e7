"""Claims of GPUs by real processes, with a made-up nvidia-smi."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import warnings

import pytest
import torch

from hgm.core.devices import parse_list, require, select_device, visible
from hgm.core.locks import hold, is_held, release
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.systems.hgm.plan import Plan

LIST = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 2: NVIDIA A100 (UUID: GPU-cccc)
"""
CLAIMS = """
import logging, os, sys
from hgm.core import devices
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
devices.PAUSE = 0.05
found = devices.claim(int(sys.argv[1]))
assert os.environ.get("CUDA_VISIBLE_DEVICES", "") == ",".join(found), os.environ
print("has", *found, flush=True)
CHILD
sys.stdin.readline()
"""

VERB = """
import sys
import torch
torch.version.cuda = "12.6"
from hgm.core import devices
from hgm.cli import main
devices.PAUSE = 0.05
sys.exit(main(sys.argv[1:]))
"""


class Machine:
    """Processes that see the given GPUs and keep what they claimed until they are told to end."""

    def __init__(self, folder, names) -> None:
        self.folder = folder
        self.processes = []
        lines = "".join(f"GPU {i}: made up (UUID: {name})\n" for i, name in enumerate(names))
        (folder / "bin").mkdir()
        (folder / "bin/nvidia-smi").write_text(f"#!/bin/sh\ncat <<'.'\n{lines}.\n")
        (folder / "bin/nvidia-smi").chmod(0o755)

    def start(self, count=1, child="", **environment) -> subprocess.Popen:
        return self.run(CLAIMS.replace("CHILD", child), str(count), **environment)

    def run(self, code, *arguments, **environment) -> subprocess.Popen:
        clean = {
            k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "HGM_CLAIMED")
        }
        given = {
            **clean,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(self.folder),
            **environment,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=given,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path, ["GPU-a", "GPU-b"])
    yield made
    made.end()


def said(process, word: str, stream=None) -> str:
    """The next line that begins with `word`."""
    for line in stream or process.stdout:
        if line.startswith(word):
            return line.strip()
    raise AssertionError(f"ended without saying {word}")


def test_two_jobs_have_different_gpus_and_a_third_waits_until_one_ends(machine):
    one = machine.start()
    two = machine.start()
    found = {said(one, "has"), said(two, "has")}
    assert found == {"has GPU-a", "has GPU-b"}
    third = machine.start()
    assert said(third, "waiting").startswith("waiting for 1 free of 2 GPUs")
    two.communicate("end\n")
    assert said(third, "has") in found


@pytest.mark.parametrize(
    "verb",
    [["bench", "--only", "nothing"], ["export", "GAUSSIANS", "--format", "png", "--out", "OUT"]],
    ids=lambda verb: verb[0],
)
def test_a_command_that_waits_says_so_on_the_terminal(machine, tmp_path, verb):
    """Its logging is not set up as a job's is."""
    g = torch.Generator().manual_seed(0)
    gaussians = Gaussians.from_packed(torch.rand(5, 14, generator=g))
    gaussians.save_ply(tmp_path / "a.ply")
    holder = machine.start(2)
    said(holder, "has")
    places = {"GAUSSIANS": str(tmp_path / "a.ply"), "OUT": str(tmp_path / "a.png")}
    waits = machine.run(VERB, *(places.get(word, word) for word in verb))
    late = threading.Timer(120, waits.kill)  # a silent one would be waited for without end
    late.start()
    assert said(waits, "waiting", waits.stderr).startswith(
        "waiting for 1 free of 2 GPUs, which other jobs hold"
    )
    holder.communicate("end\n")
    rest = waits.communicate()[1]
    late.cancel()
    assert "waiting" not in rest and (verb[0] == "export" or "error: --only" in rest)


def test_a_numbered_gpu_is_claimed_alone(machine):
    anew = "for name in ('CUDA_VISIBLE_DEVICES', 'HGM_CLAIMED'):\n    os.environ.pop(name)\n"
    one = machine.start(0, child=f"{anew}print('then', *devices.claim(1, 1), flush=True)")
    assert said(one, "then") == "then GPU-b"
    assert said(machine.start(), "has") == "has GPU-a"


def test_a_killed_job_lets_go_even_while_a_child_of_it_lives(machine):
    forks = (
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    import time; time.sleep(60); os._exit(0)\n"
        "print('child', pid, flush=True)"
    )
    one = machine.start(2, child=forks)
    assert said(one, "has") == "has GPU-a GPU-b"
    child = int(said(one, "child").split()[1])
    two = machine.start(2)
    said(two, "waiting")
    one.kill()
    assert said(two, "has") == "has GPU-a GPU-b"
    os.kill(child, signal.SIGKILL)


def test_a_child_works_on_what_its_parent_has(machine):
    runs = """
import subprocess
code = "from hgm.core.devices import claim; print('child', *claim())"
done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
print(done.stdout, flush=True)
"""
    assert said(machine.start(1, child=runs), "child") == "child GPU-a"


def test_only_what_is_visible_is_claimed(machine):
    assert said(machine.start(1, CUDA_VISIBLE_DEVICES="1"), "has") == "has GPU-b"
    assert said(machine.start(1, PATH="/nowhere"), "has") == "has"
    hidden = machine.start(0, CUDA_VISIBLE_DEVICES="")
    assert said(hidden, "has") == "has"


def test_more_than_there_are_is_left_to_the_caller(machine):
    assert said(machine.start(3), "has") == "has"


@pytest.fixture
def torch_with(monkeypatch):
    """A torch of a build that sees so many GPUs, on a machine whose nvidia-smi shows so many; what
    is claimed is noted."""

    def make(build, seen, there=0, warning=None):
        calls = []

        def look():
            calls.append("torch looks")
            if warning:
                warnings.warn(warning, stacklevel=2)
            return seen > 0

        def claim(count, index):
            calls.append((count, index))
            return ["GPU-x"] * count if there > (index or 0) and there >= count else []

        monkeypatch.setattr(torch.version, "cuda", build)
        monkeypatch.setattr(torch.cuda, "is_available", look)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
        monkeypatch.setattr(
            torch.cuda, "set_device", lambda device: calls.append(f"current {device}")
        )
        monkeypatch.setattr("hgm.core.devices.claim", claim)
        monkeypatch.setattr(
            "hgm.core.devices.installed", lambda: [f"GPU-{i}" for i in range(there)] or None
        )
        return calls

    return make


@pytest.mark.parametrize(
    ("name", "gpus", "build", "claimed"),
    [
        ("auto", 2, "12.6", [(2, None)]),
        ("cuda", 2, "12.6", [(2, None)]),
        ("cuda:1", 1, "12.6", [(1, 1)]),
        ("cpu", 2, "12.6", []),
        ("auto", 2, None, []),
    ],
)
def test_a_gpu_is_claimed_before_torch_looks(torch_with, name, gpus, build, claimed):
    """And only by a torch that could use it. A claimed one is the only one seen, so that its number
    is 0 for every library."""
    calls = torch_with(build, seen=2, there=2)
    assert select_device(name, gpus) == ("cpu" if name == "cpu" else "cuda")
    assert [call for call in calls if call != "torch looks"] == claimed
    assert not claimed or calls.index(claimed[0]) < calls.index("torch looks")


def test_a_numbered_gpu_that_cannot_be_claimed_becomes_the_current_one(torch_with):
    calls = torch_with("12.6", seen=2, there=0)
    assert select_device("cuda:1") == "cuda:1" and calls[-1] == "current cuda:1"
    torch_with("12.6", seen=1, there=0)
    with pytest.raises(InputError, match="cuda:1 was asked for, but 1 can be seen"):
        select_device("cuda:1")
    with pytest.raises(InputError, match="cuda:1 names one GPU and 4 are asked for"):
        select_device("cuda:1", 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"coarse": {"gpus": 3, "accumulate": 4}},
            "coarse.gpus: 3 processes cannot share 4 micro-batches evenly; set",
        ),
        ({"fusion": {"gpus": 2}}, "fusion.gpus: 2 processes cannot share 1 micro-batches"),
        (
            {"coarse": {"gpus": 4, "accumulate": 4}, "device": "cuda:1"},
            "cuda:1 names one GPU and 4 are asked for; use device: cuda",
        ),
    ],
)
def test_gpus_that_cannot_share_a_training_end_the_plan_and_not_the_training(changes, words):
    with pytest.raises(InputError, match=re.escape(words)):
        Plan(changes)


OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11080). "
    "(Triggered internally at x.cpp:1)"
)


@pytest.mark.parametrize(
    ("build", "warning", "reason"),
    [
        (
            "13.0",
            OLD,
            "torch for CUDA 13.0 cannot use it: CUDA initialization: The NVIDIA driver on your "
            "system is too old (found version",
        ),
        (None, None, "torch is built for CPUs"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_one_line(torch_with, caplog, build, warning, reason):
    caplog.set_level(logging.INFO)
    torch_with(build, seen=0, there=1, warning=warning)
    assert select_device("auto") == "cpu"
    (told,) = caplog.records
    assert (
        told.levelname == "WARNING"
        and reason in told.getMessage()
        and "\n" not in told.getMessage()
    )
    assert "Triggered" not in told.getMessage()
    with pytest.raises(InputError, match=re.escape(reason)):
        select_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "CUDA"])
def test_a_device_of_no_such_name_is_not_taken_for_a_gpu(torch_with, name):
    calls = torch_with("12.6", seen=2, there=2)
    with pytest.raises(
        InputError,
        match=f"device: '{name}' is unknown; expected auto, cpu, cuda or the number of a GPU as "
        "cuda:1",
    ):
        select_device(name)
    assert not calls


def test_auto_says_what_it_took(torch_with, caplog):
    caplog.set_level(logging.INFO)
    torch_with("12.6", seen=1, there=1)
    select_device("auto")
    torch_with(None, seen=0)
    select_device("auto")
    assert [r.getMessage() for r in caplog.records] == [
        "device: auto takes the GPU",
        "device: auto takes the CPU",
    ]


def test_what_a_machine_is_known_to_lack(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("hgm.core.devices.installed", lambda: ["GPU-a", "GPU-b"])
    for device, count in (("cpu", 4), ("auto", 4), ("cuda", 2), ("cuda:1", 1)):
        require(device, count)
    for device, count, words in (
        ("cuda", 4, "needs 4 NVIDIA GPUs, this machine has 2; lower coarse.gpus and fusion.gpus"),
        ("cuda:2", 1, "cuda:2 needs 3 NVIDIA GPUs"),
    ):
        with pytest.raises(InputError, match=words):
            require(device, count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(InputError, match="has 2, of which CUDA_VISIBLE_DEVICES shows 1"):
        require("cuda", 2)
    monkeypatch.setattr("hgm.core.devices.installed", lambda: None)
    monkeypatch.setattr("hgm.core.devices.DRIVERS", ("no-such-device",))
    with pytest.raises(InputError, match="needs 1 NVIDIA GPU, this machine has 0"):
        require("cuda")
    # a driver without its command: the job will see
    monkeypatch.setattr("hgm.core.devices.DRIVERS", ("null",))
    require("cuda")


def test_names_of_devices():
    assert (
        parse_list(LIST) == ["GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc"]
        and parse_list("No devices found.\n") == []
    )
    names = ["GPU-aaaa", "GPU-bbbb", "GPU-bbcc"]
    assert visible(names, None) == names and visible(names, "") == visible(names, "-1") == []
    assert visible(names, "2,0") == ["GPU-bbcc", "GPU-aaaa"] and visible(names, "0,7,1") == [
        "GPU-aaaa"
    ]
    assert visible(names, "GPU-bbb") == ["GPU-bbbb"] and visible(names, "GPU-bb") == []


def test_a_lock_is_held_until_it_is_released(tmp_path):
    path = tmp_path / "a.lock"
    assert hold(path) and hold(path) and is_held(path)
    release(path)
    assert not is_held(path) and not is_held(tmp_path / "none")
    release(path)
