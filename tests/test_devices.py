"""Claims of GPUs by real processes, with a made-up nvidia-smi."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from hgm.devices import parse_list, visible
from hgm.gaussians import Gaussians
from hgm.locks import hold, is_held, release
from hgm.runtime import select_device

LIST = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 2: NVIDIA A100 (UUID: GPU-cccc)
"""
CLAIMS = """
import logging, os, sys
from hgm import devices
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
from hgm import devices
from hgm.cli import main
devices.PAUSE = 0.05
sys.exit(main(sys.argv[1:]))
"""


class Machine:
    """Processes that see the given GPUs and keep what they claimed until they are told to end."""

    def __init__(self, folder, names) -> None:
        self.folder, self.processes = folder, []
        lines = "".join(f"GPU {i}: made up (UUID: {name})\n" for i, name in enumerate(names))
        (folder / "bin").mkdir()
        (folder / "bin/nvidia-smi").write_text(f"#!/bin/sh\ncat <<'.'\n{lines}.\n")
        (folder / "bin/nvidia-smi").chmod(0o755)

    def start(self, count=1, child="", **environment) -> subprocess.Popen:
        return self.run(CLAIMS.replace("CHILD", child), str(count), **environment)

    def run(self, code, *arguments, **environment) -> subprocess.Popen:
        clean = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "HGM_CLAIMED")}
        given = {**clean, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(self.folder), **environment}
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=given, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
    one, two = machine.start(), machine.start()
    found = {said(one, "has"), said(two, "has")}
    assert found == {"has GPU-a", "has GPU-b"}
    third = machine.start()
    assert said(third, "waiting").startswith("waiting for 1 free of 2 GPUs")
    two.communicate("end\n")
    assert said(third, "has") in found


@pytest.mark.parametrize("verb", [["bench", "--only", "nothing"], ["export", "GAUSSIANS", "--format", "png", "--out", "OUT"]],
                         ids=lambda verb: verb[0])
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
    assert said(waits, "waiting", waits.stderr).startswith("waiting for 1 free of 2 GPUs, which other jobs hold")
    holder.communicate("end\n")
    rest = waits.communicate()[1]
    late.cancel()
    assert "waiting" not in rest and (verb[0] == "export" or "error: --only" in rest)


def test_a_killed_job_lets_go_even_while_a_child_of_it_lives(machine):
    forks = "pid = os.fork()\nif pid == 0:\n    import time; time.sleep(60); os._exit(0)\nprint('child', pid, flush=True)"
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
code = "from hgm.devices import claim; print('child', *claim())"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout, flush=True)
"""
    assert said(machine.start(1, child=runs), "child") == "child GPU-a"


def test_only_what_is_visible_is_claimed(machine):
    assert said(machine.start(1, CUDA_VISIBLE_DEVICES="1"), "has") == "has GPU-b"
    assert said(machine.start(1, PATH="/nowhere"), "has") == "has"
    hidden = machine.start(0, CUDA_VISIBLE_DEVICES="")
    assert said(hidden, "has") == "has"


def test_more_than_there_are_is_left_to_the_caller(machine):
    assert said(machine.start(3), "has") == "has"


@pytest.mark.parametrize(("name", "build", "claimed"), [("auto", "12.6", [2]), ("cuda", "12.6", [2]), ("cuda:1", "12.6", []),
                                                        ("cpu", "12.6", []), ("auto", None, [])])
def test_a_gpu_is_claimed_before_torch_looks(monkeypatch, name, build, claimed):
    """And only by a torch that could use it."""
    calls = []
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: calls.append("torch looks") or True)
    monkeypatch.setattr("hgm.devices.claim", calls.append)
    select_device(name, 2)
    assert [call for call in calls if call != "torch looks"] == claimed
    assert not claimed or calls.index(2) < calls.index("torch looks")


def test_names_of_devices():
    assert parse_list(LIST) == ["GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc"] and parse_list("No devices found.\n") == []
    names = ["GPU-aaaa", "GPU-bbbb", "GPU-bbcc"]
    assert visible(names, None) == names and visible(names, "") == visible(names, "-1") == []
    assert visible(names, "2,0") == ["GPU-bbcc", "GPU-aaaa"] and visible(names, "0,7,1") == ["GPU-aaaa"]
    assert visible(names, "GPU-bbb") == ["GPU-bbbb"] and visible(names, "GPU-bb") == []


def test_a_lock_is_held_until_it_is_released(tmp_path):
    path = tmp_path / "a.lock"
    assert hold(path) and hold(path) and is_held(path)
    release(path)
    assert not is_held(path) and not is_held(tmp_path / "none")
    release(path)
