"""A working folder apart from the checkout, with links to the presets and results of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from checkouts import ROOT
from cluster import wait_until
from heads import Fork, heads_in

from hgm.core.keys import folder_digest

# what most jobs import, those that make stand-ins besides, and those of HGM besides; torch and
# diffusers import the first of each when they are first used
COMMON = ("torch._dynamo", "hgm.splat")
STANDINS = (*COMMON, "hgm.geometry.rays:import_open3d", "hgm.standin.actor")
HGM = (*STANDINS, "diffusers.models.autoencoders.autoencoder_kl", "trimesh")
LINKED = ("config",)  # presets are named relative to it; all else is found in the checkout
TINY = ("--configfile", "config/hgm/tiny.yaml", "--cores", "2")
TINT = ("--configfile", "config/tint/tiny.yaml", "--cores", "2")  # of the system in new_system.py
# values in the environment of a run that must not get into its results
MARKED = {"USER": "user-b26f", "LOGNAME": "user-b26f", "HGM_TOKEN": "token-7c41"}
FIELD = ("results/tiny/field/weights.safetensors", *TINT)  # a target: the training
LONGER = "config/tint/longer.yaml"  # in addition to TINT: a training of some seconds
# folders of a run whose content depends on the machine and on time
NO_PRODUCTS = {"logs", "benchmarks", "state", "report", "standin"}


class Workspace:
    """Runs Snakemake on a checkout's workflow in a folder of its own."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        folder.mkdir(parents=True, exist_ok=True)
        for name in LINKED:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(root / name)

    @property
    def results(self) -> Path:
        """The results folder of a tiny preset."""
        return self.folder / "results/tiny"

    def copied_to(self, folder: Path) -> "Workspace":
        """A copy of the workspace in another folder, with the times of files, so that the run is
        finished there too."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder, self.root)

    def products(self) -> dict[str, str]:
        """A hash of each kind of product of a run of a tiny preset."""
        folders = {path for path in self.results.iterdir() if path.is_dir()}
        return {path.name: folder_digest(path) for path in folders if path.name not in NO_PRODUCTS}

    def words(self, *arguments: str) -> list[str]:
        """What Snakemake is told."""
        place = ("--snakefile", str(self.root / "Snakefile"), "--directory", str(self.folder))
        return [*place, "--nolock", *arguments]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *self.words(*arguments)]

    def start(self, *arguments: str, imports: tuple[str, ...] = COMMON) -> Fork:
        """Start Snakemake in a session of its own, so that all of its processes can be killed at
        once. It and its jobs are forks of a process that has imported the named modules."""
        return heads_in(self.root).start("snakemake", self.words(*arguments), imports=imports)

    def run(self, *arguments: str, imports: tuple[str, ...] = COMMON) -> str:
        """What Snakemake says of a run that succeeds."""
        process = self.start(*arguments, imports=imports)
        output, _ = process.communicate()
        assert process.returncode == 0, output[-4000:]
        return output

    def kill_in(self, rule: str, *arguments: str, imports: tuple[str, ...] = COMMON) -> None:
        """Start Snakemake, and kill all of it once a job of the rule has begun."""
        process = self.start(*arguments, imports=imports)

        def begun() -> bool:
            logs = [
                *self.results.glob(f"logs/{rule}.log"),
                *self.results.glob(f"logs/{rule}/**/*.log"),
            ]
            return bool(logs) or process.poll() is not None

        wait_until(begun, rule, pause=0.02)
        assert process.poll() is None, rule
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def plan(self, *arguments: str) -> str:
        """What Snakemake says of a run that it would do, a plan that succeeds (--dry-run)."""
        return heads_in(self.root).output(*self.words("--dry-run", *arguments))

    def hgm(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """What the `hgm` command does in this folder."""
        given = [*map(str, words)]
        command = heads_in(self.root).start("hgm", given, self.folder, imports=COMMON)
        said = command.communicate()
        return subprocess.CompletedProcess(given, command.returncode, *said)


class OfItsOwn(Workspace):
    """A workspace whose heads, jobs and commands are processes of their own, as a user's are."""

    def start(self, *arguments: str, imports: tuple[str, ...] = ()) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def hgm(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hgm.cli", *map(str, words)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(self.root)},
        )


def jobs_in(planned: str) -> dict[str, int]:
    """The rules that a dry run counts jobs of, and how many."""
    rows = (line.split() for line in planned.splitlines() if re.match(r"\w+ +\d+$", line))
    return {rule: int(count) for rule, count in rows}


def cut(path: Path) -> None:
    """Remove the second half of a file and keep its time."""
    stamp = path.stat()
    os.truncate(path, stamp.st_size // 2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
