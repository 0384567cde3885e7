import json
import subprocess
import sys
from pathlib import Path

import pytest

from hgm.systems.hgm.plan import Plan
from hgm.workflow.configuration import resolve
from hgm.workflow.dag import records
from hgm.workflow.jobs import planned_jobs

HOLDS = """
import sys
from hgm.core.locks import hold
assert hold(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


class Folder:
    """A made-up run of a small configuration; jobs are done by writing their outputs."""

    def __init__(self, root: Path, **changes) -> None:
        scans = {
            "train": "0000-0005",
            "val": "0500",
            "test": "0505-0506",
            "chunk": 3,
            "texture": 256,
        }
        data = {"run": "made", "scans": scans, **changes}
        self.plan = Plan(resolve(data))
        self.results = root / "results" / data["run"]
        self.jobs = {job.name: job for job in planned_jobs(self.plan)}
        self.wildcards = {record["name"]: record["wildcards"] for record in records(self.plan)}

    def write(self, path: str, text: str = "{}\n") -> Path:
        file = self.results / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def record(self) -> None:
        self.write("run.json", json.dumps({"config": self.plan.config}))

    def finish(self, *names: str, seconds: float | None = None, gpu: bool = False) -> None:
        """Write the outputs of the named jobs, or of all; gpu: record a GPU for those that request
        one."""
        for name in names or self.jobs:
            if name != "record":
                for output in self.jobs[name].outputs:
                    self.write(output)
            self.write(
                f"logs/{name}.log",
                "on somewhere, process 1\n" + ("GPU 0\n" if gpu and self.jobs[name].gpus else ""),
            )
            self.write(
                f"logs/{name}.job.json",
                json.dumps({"rule": self.jobs[name].rule, "wildcards": self.wildcards[name]}),
            )
            if seconds is not None:
                self.write(
                    f"benchmarks/{name}.jsonl", json.dumps({"s": seconds, "max_rss": 2048.0}) + "\n"
                )


@pytest.fixture
def run(tmp_path) -> Folder:
    made = Folder(tmp_path)
    made.record()
    return made


@pytest.fixture
def another(tmp_path):
    return lambda **changes: Folder(tmp_path, **changes)


@pytest.fixture
def working():
    """Starts processes that hold the locks of logs, as jobs do while they work."""
    processes = []

    def start(log):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
