"""A working folder apart from the checkout, with links to the presets and results of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from checkouts import ROOT
from heads import heads_in

from hgm.core.keys import folder_digest

SNAKEMAKE = ("-m", "snakemake")
FORKING = ("-P", str(Path(__file__).with_name("forking_head.py")))
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

    def command(self, *arguments: str, head: tuple[str, str] = SNAKEMAKE) -> list[str]:
        return [
            sys.executable,
            *head,
            "--snakefile",
            str(self.root / "Snakefile"),
            "--directory",
            str(self.folder),
            "--nolock",
            *arguments,
        ]

    def start(self, *arguments: str, head: tuple[str, str] = SNAKEMAKE) -> subprocess.Popen:
        """Start Snakemake in a session of its own, so that all of its processes can be killed at
        once."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        return subprocess.Popen(
            self.command(*arguments, head=head),
            cwd=self.root,
            env=environment,
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, head: tuple[str, str] = SNAKEMAKE) -> str:
        """What Snakemake says of a run that succeeds. With FORKING as its head, a job of HGM takes
        a fraction of the time, as no more than a fork of a process."""
        process = self.start(*arguments, head=head)
        output, _ = process.communicate()
        assert process.returncode == 0, output[-4000:]
        return output

    def plan(self, *arguments: str) -> str:
        """What Snakemake says of a run that it would do, a plan that succeeds (--dry-run)."""
        return heads_in(self.root).output(*self.command("--dry-run", *arguments)[3:])

    def hgm(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the `hgm` command in this folder."""
        return subprocess.run(
            [sys.executable, "-m", "hgm.cli", *map(str, words)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(self.root)},
        )


def cut(path: Path) -> None:
    """Remove the second half of a file and keep its time."""
    stamp = path.stat()
    os.truncate(path, stamp.st_size // 2)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
