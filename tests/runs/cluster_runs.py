"""Runs of the workflow in a working folder of its own, on the local cluster."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster import Cluster, wait_until
from heads import Fork, heads_in
from workspace import FIELD, LONGER, ROOT, TINY, Workspace

from hgm.core.keys import folder_digest

ON_CLUSTER = TINY[:2]
TRAINED = (*FIELD[:3], LONGER)  # of the smallest system (new_system.py): a training of seconds
QUICK = ("--slurm-safe-init-seconds-before-status-checks", "1", "--latency-wait", "10")


class ClusterRun(Workspace):
    """A Workspace with profiles/slurm and a site file of the local cluster."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        root: Path = ROOT,
        *,
        gpu_partition: str = "gpu",
        gres: str = "gpu:fake-80gb",
    ) -> None:
        super().__init__(folder, root)
        self.cluster = cluster
        self.site = folder / "site.yaml"
        self.site.write_text(
            "cpu: {slurm_partition: main}\n"
            f"gpu: {{slurm_partition: {gpu_partition}, gres: {gres}}}\n"
        )
        self.log = folder / "head.log"
        self.path = str(root)  # PYTHONPATH of the head processes

    def forget_training(self, rule: str) -> None:
        """Delete all files of a training, so that it is the only job left to do."""
        shutil.rmtree(self.results / rule)
        shutil.rmtree(self.results / f"state/{rule}")
        (self.results / f"logs/{rule}.log").unlink()

    def has_training_of(self, other: Workspace) -> bool:
        """Whether the training ended with the bytes of another run's."""
        return folder_digest(self.results / "field") == folder_digest(other.results / "field")

    def words(self, *arguments: str) -> list[str]:
        profile = ("--profile", str(self.root / "profiles/slurm"))
        site = ("--slurm-safe-site", str(self.site))
        return super().words(*profile, *site, *QUICK, *arguments)

    def start(self, *arguments: str, imports: tuple[str, ...] = ()) -> Fork | subprocess.Popen:
        """Start a head: a fork as in other workspaces, or a process of its own where the test has
        something to say about its packages. Its jobs are processes of SLURM."""
        environment = {**self.cluster.environment, "OMP_NUM_THREADS": "1"}
        if self.path == str(self.root):
            return heads_in(self.root).start(
                "snakemake",
                self.words(*arguments),
                self.folder,
                imports,
                environment=environment,
                out=self.log,
            )
        with open(self.log, "a") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env={**environment, "PYTHONPATH": self.path},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run(self, *arguments: str, imports: tuple[str, ...] = ()) -> str:
        before = len(self.said())
        self.end(self.start(*arguments))
        return self.said()[before:]

    def end(self, head: Fork | subprocess.Popen) -> None:
        """Wait until a head process ends; asserts that it succeeded."""
        head.wait()
        assert head.returncode == 0, self.said()[-6000:]

    def said(self) -> str:
        """Everything that the head processes printed."""
        return self.log.read_text() if self.log.exists() else ""

    def submitted(self) -> list[str]:
        """Ids of all SLURM jobs that head processes of this folder submitted."""
        logs = sorted(self.folder.glob(".snakemake/log/*.snakemake.log"))
        return [job for log in logs for job in re.findall(r"is SLURM job (\d+) ", log.read_text())]

    @contextmanager
    def held(self, job: str, sign: str = "") -> Iterator[Held]:
        """A job of the run, `<rule>` or `<rule>/<chunk>`, paused (SIGSTOP) until the block ends:
        from its start, or from when a file of the results exists that fits the pattern `sign`."""
        log = self.results / f"logs/{job}.log"
        line = re.compile(r"on \S+, process (\d+)\n")
        wait_until(
            lambda: (
                log.exists()
                and line.match(log.read_text())
                and (not sign or any(self.results.glob(sign)))
            ),
            lambda: f"{job}\n{self.said()[-3000:]}",
            pause=0.02,
        )
        process = int(line.match(log.read_text())[1])
        os.kill(process, signal.SIGSTOP)
        running = [one.split() for one in self.cluster.jobs("%i %N %T")]
        [(job_id, node, _)] = [one for one in running if one[-1] == "RUNNING"]
        try:
            yield Held(process, job_id, node)
        finally:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def wait_for_word(self, word: str) -> None:
        """Wait until a head process has printed a text."""
        wait_until(
            lambda: word in self.said(), lambda: f"{word!r}; heads said {self.said()[-3000:]}"
        )


class Held:
    """A paused job: its process, its SLURM id, its node, and since when."""

    def __init__(self, process: int, job_id: str, node: str) -> None:
        self.process = process
        self.job_id = job_id
        self.node = node
        self.since = time.monotonic()
