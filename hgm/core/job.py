"""What every script does around its work: read the job, open the log, write the record for a
replay, turn errors into one line.

A script ends with `run(main)`. Under Snakemake the job comes from the injected `snakemake` object
and is written as JSON beside the log; `python scripts/render.py that.job.json` (or `hgm replay`)
does the same job again without Snakemake.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hgm.core import libraries, slurm
from hgm.core.checkout import SCRIPTS
from hgm.core.files import remove_parts
from hgm.core.home_paths import with_home
from hgm.core.keys import file_digest, key_of
from hgm.core.locks import hold
from hgm.core.manifests import read_json, write_json
from hgm.core.run_folder import RunFolder
from hgm.errors import STORAGE, InputError, Interrupted, SliceEnded

Paths = Mapping[str, str | list[str]]  # name -> path or list of paths, as strings
SLICE_ENDED = "slice ended: "  # how the log of a job ends that has more to do
REQUEUE_SECONDS = 300.0  # for SLURM to end a job that it puts back into the queue


@dataclass(frozen=True)
class Job:
    """What one rule asks for, in plain data."""

    rule: str
    input: Paths
    output: Paths
    params: Mapping[str, Any]
    wildcards: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    runtime: float | None = None  # minutes the job may take
    log: str | None = None
    script: str = ""  # below scripts/

    def path(self, name: str) -> Path:
        """One named input or output."""
        value = self.output.get(name, self.input.get(name))
        if not isinstance(value, str):
            raise KeyError(f"{self.rule}: no single file named {name}")
        return Path(value)

    def paths(self, name: str) -> list[Path]:
        """A named input as a list of files; empty where the rule has none."""
        value = self.input.get(name, [])
        return [Path(value)] if isinstance(value, str) else [Path(v) for v in value]

    @property
    def outputs(self) -> list[Path]:
        """All files that the rule declares."""
        values = self.output.values()
        return [Path(v) for value in values for v in ([value] if isinstance(value, str) else value)]

    def digests(self, *names: str) -> list[str]:
        """Hashes of the files of some inputs."""
        return [file_digest(path) for name in names for path in self.paths(name)]

    def seconds(self) -> float | None:
        """Seconds that the job may work from now on: what SLURM leaves it, else its time limit."""
        left = slurm.seconds_left()
        return left if left is not None or self.runtime is None else 60.0 * self.runtime

    @property
    def run(self) -> RunFolder:
        """The run that the job belongs to. Raises InputError where the job names no log."""
        return RunFolder.of_log(self._log)

    @property
    def name(self) -> str:
        """What log, benchmark and state of the job are called. Raises InputError as `run`."""
        return self.run.job(self._log)

    @property
    def state(self) -> Path:
        """Where it keeps what it resumes from: not declared, since it is no result."""
        return self.run.state(self.name) / self.key

    @property
    def _log(self) -> Path:
        if self.log is None:
            raise InputError(f"{self.rule}: its record names no log, by which its run is found")
        return Path(self.log)

    @property
    def key(self) -> str:
        """Parameters (with the code key) and the content of all inputs: what decides the job's
        result."""
        files = [p for name in sorted(self.input) for p in self.paths(name)]
        return key_of(
            self.rule, dict(self.params), dict(self.wildcards), [file_digest(p) for p in files]
        )


def _named(files: Any) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in files.items():
        named[name] = str(value) if isinstance(value, str) else [str(v) for v in value]
    return named


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def from_snakemake(snakemake: Any, script: str | Path) -> Job:
    """The job that Snakemake hands to a script. Its rule is named after the script: a workflow that
    uses the rules as a module may rename them."""
    runtime = snakemake.resources.get("runtime")
    place = Path(script).resolve()
    return Job(
        rule=Path(script).stem,
        input=_named(snakemake.input),
        output=_named(snakemake.output),
        params=_plain(dict(snakemake.params.items())),
        wildcards=dict(snakemake.wildcards.items()),
        threads=snakemake.threads,
        runtime=float(runtime) if isinstance(runtime, int | float) else None,
        log=str(snakemake.log[0]) if snakemake.log else None,
        script=str(place.relative_to(SCRIPTS)) if place.is_relative_to(SCRIPTS) else "",
    )


class _Recorded(dict[str, Any]):
    """Parameters of a recorded job. A record may be older than a key that a script asks for: that
    is an InputError."""

    path: str | Path

    def __missing__(self, key: str) -> Any:
        raise InputError(
            f"{self.path}: holds no {key}, which came later than this record; run the workflow "
            "for a newer one"
        )


def _recorded(value: Any, path: str | Path) -> Any:
    if isinstance(value, dict):
        value = _Recorded({key: _recorded(item, path) for key, item in value.items()})
        value.path = path
    return value


def load_job(path: str | Path) -> Job:
    """Read a `*.job.json`. Raises InputError for a file that is no such record; its parameters do
    so for a key that it lacks."""
    from pydantic import TypeAdapter, ValidationError

    try:
        job = TypeAdapter(Job).validate_python(with_home(read_json(path)), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: not a job record ({'.'.join(map(str, first['loc']))}: {first['msg']})"
        ) from None
    if job.threads < 1 or (job.runtime is not None and not 0 < job.runtime < float("inf")):
        raise InputError(f"{path}: not a job record (threads {job.threads}, runtime {job.runtime})")
    return replace(job, params=_recorded(job.params, path))


def run(main: Callable[[Job], None]) -> None:
    """Run a script's `main` for the job at hand; exits with status 1 and one line on an error the
    user can act on."""
    script = sys.modules["__main__"]
    snakemake = getattr(script, "snakemake", None)
    try:
        if snakemake is not None:
            job = from_snakemake(snakemake, str(script.__file__))
        elif len(sys.argv) == 2:
            job = load_job(sys.argv[1])
        else:
            raise InputError(
                f"{sys.argv[0]}: expected one argument, a .job.json file written by an earlier run"
            )
        os.environ["HGM_THREADS"] = str(job.threads)
        handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
        if job.log:
            Path(job.log).parent.mkdir(parents=True, exist_ok=True)
            Path(job.log).write_text(f"on {platform.node()}, process {os.getpid()}\n")
            with contextlib.suppress(OSError):  # some network file systems have no locks
                hold(job.log)  # for as long as the job works: `hgm status` looks at it
            handlers.append(logging.FileHandler(job.log))
            if snakemake is not None:
                write_json(Path(job.log).with_suffix(".job.json"), asdict(job))
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(job.threads)
        for file in job.outputs:  # of an attempt that was killed
            remove_parts(file)
        main(job)
    except (InputError, Interrupted) as error:
        logging.error("error: %s", error)
        sys.exit(1)
    except OSError as error:
        advice = STORAGE.get(error.errno or 0)
        if advice is None:
            _unexpected(script)
        logging.error("error: %s: %s; %s", error.filename or Path.cwd(), error.strerror, advice)
        sys.exit(1)
    except ImportError as error:
        reason = libraries.explain(error)
        if reason is None:
            _unexpected(script)
        logging.error("error: %s", reason)
        sys.exit(1)
    except SliceEnded as ended:
        logging.info("%s%s", SLICE_ENDED, ended)
        if slurm.requeue():
            time.sleep(REQUEUE_SECONDS)
        sys.exit(1)
    except Exception:
        _unexpected(script)


def _unexpected(script: Any) -> None:
    logging.exception("unexpected failure in %s", getattr(script, "__file__", "a script"))
    sys.exit(1)
