"""The folder of a run, results/<run>: the one place that knows what lies where below it. The rules
name the same places, as what they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("results")


@dataclass(frozen=True)
class RunFolder:
    """The places of every system's run. A job is called as its log is, without the suffix:
    `coarse`, `render/train000`."""

    path: Path

    @classmethod
    def named(cls, run: str, results: Path = RESULTS) -> RunFolder:
        """That of a run by its name."""
        return cls(results / run)

    @classmethod
    def of_log(cls, log: Path) -> RunFolder:
        """The run that a job's log belongs to."""
        parts = log.parts
        if "logs" not in parts[:-1]:
            return cls(log.parent)
        return cls(Path(*parts[: len(parts) - 1 - parts[::-1].index("logs")]))

    @classmethod
    def around(cls, path: Path) -> RunFolder | None:
        """The run in whose folder something lies; None outside of any."""
        runs = (cls(folder) for folder in path.resolve().parents)
        return next((run for run in runs if run.record.is_file()), None)

    @property
    def record(self) -> Path:
        """What is run: configuration, commit, versions, machine."""
        return self.path / "run.json"

    @property
    def scans(self) -> Path:
        """The table of usable scans."""
        return self.path / "scans.tsv"

    @property
    def rejected(self) -> Path:
        """The table of scans that are set aside."""
        return self.path / "rejected.tsv"

    @property
    def views(self) -> Path:
        """A folder for each chunk, in it one for each person, and the chunk's manifest."""
        return self.path / "views"

    def chunk_views(self, chunk: str) -> Path:
        """The manifest of a chunk; the folders of its people are beside it."""
        return self.views / chunk / "manifest.json"

    @property
    def standin(self) -> Path:
        """The stand-ins that the run makes for itself, with their body models."""
        return self.path / "standin"

    @property
    def standin_models(self) -> Path:
        """The body models of the stand-ins."""
        return self.standin / "models"

    def standin_mark(self, person: str) -> Path:
        """The folder of the mark that a stand-in is made; its files are spread as THuman2.0's."""
        return self.standin / "made" / person

    @property
    def subjects(self) -> Path:
        """A folder for each variant, in it one for each reconstructed person."""
        return self.path / "subjects"

    @property
    def tables(self) -> Path:
        """The numbers of the report."""
        return self.path / "tables"

    @property
    def report(self) -> Path:
        """The page that opens offline."""
        return self.path / "report"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def benchmarks(self) -> Path:
        return self.path / "benchmarks"

    @property
    def states(self) -> Path:
        """What trainings resume from, a folder for each of them."""
        return self.path / "state"

    def log(self, job: str) -> Path:
        return self.logs / f"{job}.log"

    def job_record(self, job: str) -> Path:
        """What a job was given, to do it again."""
        return self.logs / f"{job}.job.json"

    def benchmark(self, job: str) -> Path:
        """Time and memory of a job."""
        return self.benchmarks / f"{job}.jsonl"

    def item_times(self, job: str) -> Path:
        """Time of each item of a job."""
        return self.benchmarks / f"{job}.members.json"

    def state(self, job: str) -> Path:
        """What a training resumes from."""
        return self.states / job

    def job(self, log: Path) -> str:
        """The name of the job that wrote a log."""
        place = log.with_suffix("")
        return (
            place.relative_to(self.logs).as_posix()
            if place.is_relative_to(self.logs)
            else place.name
        )

    def jobs(self) -> list[str]:
        """The names of the jobs that left a record."""
        return sorted(
            path.relative_to(self.logs).as_posix().removesuffix(".job.json")
            for path in self.logs.rglob("*.job.json")
        )
