"""Hours before a run starts: from earlier benchmarks, by people and samples, never across sizes."""

import re
from pathlib import Path

import pytest

from hgm.cli import main
from hgm.control.forecast import forecast, read_figures, table
from hgm.control.jobs import planned_jobs

ROOT = Path(__file__).resolve().parents[2]


def rows(plan, results, figures):
    return {e.rule: e for e in forecast(plan, results, figures)}


def test_hours_grow_with_people_and_samples(run, another):
    run.finish(seconds=60.0)
    figures = read_figures(run.results.parent)
    larger = another(run="larger", scans={"train": "0000-0011", "val": "0500", "test": "0505-0506", "chunk": 3, "texture": 256},
                     coarse={"steps": 720, "batch": 2, "accumulate": 2})
    found = rows(larger.plan, larger.results, figures)
    # 4 chunks of 60 s had 3 + 3 + 1 + 2 people; now there are 15
    assert found["render"].seconds == pytest.approx(15 * 240 / 9) and found["render"].gpu_seconds == 0
    assert found["render"].jobs == 6 and found["render"].memory_mb == 2048
    steps = run.plan.config["coarse"]["steps"]
    assert found["coarse"].seconds == pytest.approx(2 * 60 * 720 * 4 / steps)
    assert found["coarse"].gpu_seconds == pytest.approx(found["coarse"].seconds)
    assert found["record"].seconds == pytest.approx(60)


def test_figures_of_one_gpu_are_none_of_four(run, another):
    run.finish("coarse", "fusion", seconds=60.0)
    four = another(run="four", coarse={"gpus": 4, "accumulate": 4})
    found = rows(four.plan, four.results, read_figures(run.results.parent))
    assert found["coarse"].seconds is None and found["coarse"].note == "no figures at this size (other sizes: made)"
    assert found["fusion"].seconds is not None


def test_a_job_of_the_same_name_is_the_better_figure(run, another):
    run.finish("coarse", seconds=100.0)
    run.finish("coarse_no_body", seconds=50.0)
    again = another(run="again")
    assert rows(again.plan, again.results, read_figures(run.results.parent))["coarse"].seconds == pytest.approx(150)


def test_what_is_done_costs_nothing_more(run):
    run.finish("catalogue", "render/train000", seconds=30.0)
    found = rows(run.plan, run.results, read_figures(run.results.parent))
    assert found["catalogue"].left == 0 and found["catalogue"].seconds == 0 and found["render"].left == 3


def test_rules_without_figures_are_named(run, another, capsys, monkeypatch):
    run.finish("render/train000", "coarse", seconds=30.0)
    other = another(run="other", rendering={"size": 256})
    found = rows(other.plan, other.results, read_figures(run.results.parent))
    assert found["render"].seconds is None and found["render"].note == "no figures at this size (other sizes: made)"
    assert found["mesh"].note == "no figures"
    last = table(list(found.values())).splitlines()[-1]
    assert last.startswith("The sum lacks ") and "render" in last and "mesh" in last
    monkeypatch.chdir(run.results.parents[1])
    assert main(["plan"]) == 0 and "GPU-hours" in capsys.readouterr().out


def test_runs_without_a_record_and_broken_files_are_left_out(run):
    run.finish("render/train000", seconds=30.0)
    run.write("benchmarks/coarse.jsonl", '{"s": "x"}\nnot json\n')
    run.write("../foreign/benchmarks/coarse.jsonl", '{"s": 3}\n')
    assert [f.name for f in read_figures(run.results.parent)] == ["render/train000"]


def test_gpus_of_jobs_are_those_of_the_rules(another, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"")
    run = another(images=[str(tmp_path / "photo.png")], evaluate={"variants": ["no_body", "full", "pymafx"]},
                  estimate={"source": "pixie", "pixie": "x", "pymafx": "y"}, rendering={"device": "gpu"})
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    asked = {name for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", rules, re.MULTILINE | re.DOTALL)
             if re.search(rf'^\s+gpu=plan\.gpus\("{name}"\),', body, re.MULTILINE)}
    assert {job.rule for job in planned_jobs(run.plan) if job.gpus} == asked
