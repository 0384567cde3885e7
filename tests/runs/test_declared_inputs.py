"""What a script reads of a run is declared by its rule: Snakemake waits for nothing else, and does
nothing again after anything else has changed."""

import dataclasses
import runpy
from pathlib import Path

import pytest
from workspace import Workspace

from hgm.core.checkout import script_of
from hgm.core.items import outcome_in
from hgm.core.job import Job, load_job

KEPT = ("standin", "logs", "run.json")  # of the stand-ins' models one is declared, beside others


def leave_declared(results: Path, job: Job) -> None:
    """Delete everything of a run that a job does not declare as an input. A manifest stands for its
    members' folders beside it."""
    declared = [path for name in job.input for path in job.paths(name)]
    folders = [path.parent for path in declared if path.suffix == ".json"]
    folders = [folder for folder in folders if not (folder / "model.json").exists()]
    for path in sorted(results.rglob("*")):
        told = path in declared or any(path.is_relative_to(folder) for folder in folders)
        if path.is_file() and not told and path.relative_to(results).parts[0] not in KEPT:
            path.unlink()


@pytest.mark.parametrize("rule", ["pairs", "refine", "reconstruct", "mesh", "evaluate"])
def test_a_rule_needs_no_file_but_its_inputs(calm: Workspace, tmp_path, monkeypatch, rule):
    monkeypatch.chdir(calm.copied_to(tmp_path / "work").folder)
    results = Path("results/tiny")
    found = [load_job(path) for path in sorted(results.glob("logs/**/*.job.json"))]
    job = next(job for job in found if job.rule == rule)  # of the first variant
    job = dataclasses.replace(job, params={**job.params, "code": "again"})
    leave_declared(results, job)
    for path in (Path(value) for value in job.output.values()):
        path.unlink(missing_ok=True)
    runpy.run_path(str(script_of(rule, "hgm")))["main"](job)
    assert job.path("manifest").is_file()
    if rule != "pairs":
        done = outcome_in(job.path("manifest"))
        assert done.members and not done.failed
