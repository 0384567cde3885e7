"""The jobs of a configuration, as Snakemake plans them from the rules; no other code lists rules.

Snakemake plans in a process of its own, as if no job were done and without the files that users
bring, since these do not decide which jobs there are. Plans are cached on disk under a key of
everything that decides them.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from hgm.core.caches import cache_folder
from hgm.core.checkout import ROOT
from hgm.core.code_keys import code_key
from hgm.core.isolation import isolated
from hgm.core.keys import digest
from hgm.core.manifests import write_json
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.workflow.plan import ONLY_ASKED, Plan

KEPT = 64  # plans in the cache
MANY = 1 << 20  # cores, so that each job gets the threads that its rule requests
Record = dict[str, Any]  # a job: rule, name, wildcards, outputs, resources, jobs it reads


def records(plan: Plan) -> list[Record]:
    """One record for each job of a configuration, each after the jobs that it waits for. Raises
    InputError where Snakemake cannot plan the run."""
    return json.loads(_answer(key_of_plan(plan), json.dumps(plan.config, sort_keys=True)))


def key_of_plan(plan: Plan) -> str:
    """Key of all that decides the jobs: configuration, lists that the plan read from the disk,
    rules and code."""
    rules = [ROOT / "Snakefile", *sorted((ROOT / "rules").rglob("*.smk"))]
    parts = [
        sys.version,
        metadata.version("snakemake"),
        json.dumps([plan.config, plan.listed], sort_keys=True),
        code_key(__file__),
        code_key(ROOT / "hgm/systems" / plan.system / "plan.py"),
        *(f"{path.name} {digest(path.read_bytes())}" for path in rules),
    ]
    return digest("\n".join(parts))


@cache
def _answer(key: str, config: str) -> str:
    """The records as JSON text: from the cache, else from Snakemake."""
    file = cache_folder() / "plans" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, UnicodeDecodeError):
        text = file.read_text()
        json.loads(text)
        return text
    text = json.dumps(_asked(config))
    with contextlib.suppress(OSError):
        write_json(file, json.loads(text))
        for old in sorted(file.parent.iterdir(), key=os.path.getmtime)[:-KEPT]:
            old.unlink()
    return text


def _asked(config: str) -> list[Record]:
    """The records, planned by Snakemake. Raises InputError with the last line of its output where
    it fails."""
    with tempfile.TemporaryDirectory(prefix="hgm-plan-") as scratch:
        (Path(scratch) / "config.json").write_text(config)
        done = subprocess.run(
            [sys.executable, "-m", __name__, scratch],
            env={**isolated(), ONLY_ASKED: "1"},
            capture_output=True,
            text=True,
        )
        try:
            found: list[Record] = json.loads((Path(scratch) / "jobs.json").read_text())
        except (OSError, ValueError):
            said = (done.stderr + done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
            raise InputError(f"Snakemake cannot plan this run: {said[-1]}") from None
    return found


def read_dag(workflow: Any, run: RunFolder) -> list[Record]:
    """The records of a Snakemake workflow whose DAG is built; targets without files of their own
    are no jobs."""
    dag = workflow.dag
    ranks = {rule.name: i for i, rule in enumerate(workflow.rules)}
    jobs = {job: _name(job, run) for job in dag.jobs if job.output}
    after = {
        name: sorted(jobs[other] for other in dag.dependencies[job] if other in jobs)
        for job, name in jobs.items()
    }
    found = {
        name: {
            "rule": job.rule.name,
            "name": name,
            "wildcards": dict(job.wildcards_dict),
            "outputs": [os.path.relpath(str(file), run.path) for file in job.output],
            "gpus": int(job.resources.get("gpu", 0)),
            "threads": int(job.threads),
            "memory_mb": int(job.resources.get("mem_mb", 0)),
            "after": after[name],
        }
        for job, name in jobs.items()
    }
    rank = {name: (ranks[record["rule"]], name) for name, record in found.items()}
    return [found[name] for name in _in_order(after, rank)]


def _name(job: Any, run: RunFolder) -> str:
    """The name of a job: that of its log, or, without a log, its rule and the values of its
    wildcards."""
    if job.log:
        return run.job(Path(job.log[0]))
    return "/".join([job.rule.name, *map(str, job.wildcards_dict.values())])


def _in_order(after: Mapping[str, list[str]], rank: Mapping[str, Any]) -> list[str]:
    """The names sorted so that each comes after all that it waits for; where that leaves a choice,
    by rank."""
    waits = {name: len(set(others)) for name, others in after.items()}
    readers: dict[str, list[str]] = {name: [] for name in after}
    for name, others in after.items():
        for other in set(others):
            readers[other].append(name)
    ready = [(rank[name], name) for name, count in waits.items() if not count]
    heapq.heapify(ready)
    found = []
    while ready:
        name = heapq.heappop(ready)[1]
        found.append(name)
        for reader in readers[name]:
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, (rank[reader], reader))
    return found


def main(scratch: Path) -> None:
    """Plan the configuration in `scratch`/config.json and write the records to
    `scratch`/jobs.json."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    run = json.loads((scratch / "config.json").read_text())["run"]
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        asked = api.workflow(
            ResourceSettings(cores=MANY),
            config_settings=ConfigSettings(configfiles=[scratch / "config.json"]),
            snakefile=ROOT / "Snakefile",
        )
        asked.dag(DAGSettings())
        workflow = asked._workflow
        os.chdir(scratch)  # empty, so that every job is to do; deleted afterwards
        workflow._prepare_dag(
            forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True
        )
        workflow._build_dag()
        found = read_dag(workflow, RunFolder.named(run))
    (scratch / "jobs.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
