"""What is planned, without running it."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hgm.config import load
from hgm.errors import InputError
from hgm.jobs import planned_jobs
from hgm.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


def counts(output: str) -> dict[str, int]:
    lines = output.split("Job stats:")[-1].splitlines()
    rows = [line.split() for line in lines if len(line.split()) == 2 and line.split()[1].isdigit()]
    return {name: int(number) for name, number in rows}


def test_the_tiny_preset_plans_every_rule(workspace):
    found = counts(workspace.run("--configfile", "config/tiny.yaml", "--dry-run"))
    assert found == {
        "body_model": 1, "standin": 3, "catalogue": 1, "render": 3, "coarse": 2, "base": 1, "pairs": 1, "controlnet": 1, "normals": 1,
        "fusion": 2, "estimate": 1, "refine": 1, "reconstruct": 5, "mesh": 5, "evaluate": 5, "record": 1, "report": 1, "all": 1,
        "total": 36,
    }
    assert planned("config/tiny.yaml") == found


def planned(preset: str) -> dict[str, int]:
    """The same counts from hgm.jobs."""
    rules = Counter(job.rule for job in planned_jobs(Plan(load(ROOT / preset).model_dump(mode="json"))))
    return {**rules, "all": 1, "total": rules.total() + 1}


def test_variants_share_what_they_do_not_change(workspace):
    found = counts(workspace.run("--dry-run", "--config", "evaluate={variants: [full, no_diffusion]}"))
    assert found["coarse"] == found["fusion"] == 1 and found["reconstruct"] == 2


def test_a_wrong_key_ends_the_planning_with_one_line(workspace):
    process = workspace.start("--dry-run", "--config", "coarse={step: 3}")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "configuration: coarse.step: unknown key" in output and "Traceback" not in output


def test_named_targets(workspace):
    assert set(counts(workspace.run("--dry-run", "views"))) == {"body_model", "standin", "catalogue", "render", "views", "total"}


def test_members_and_chunks_of_a_plan():
    plan = Plan({"scans": {"train": "0-4", "val": "", "test": "10", "chunk": 2}})
    assert plan.chunks == ["train000", "train001", "train002", "test000"]
    assert plan.members("train001") == ["0002", "0003"] and plan.test_chunks == ["test000"]
    with pytest.raises(InputError, match=r"scans\.test"):
        Plan({"scans": {"test": "x"}})


def test_the_snakefile_needs_no_heavy_import():
    code = "import sys; from hgm.plan import Plan; Plan({}); print(sorted({'torch', 'numpy', 'bpy', 'open3d'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip() == "[]"
