"""Hours before a run starts: from equally sized jobs by people and samples, else computed and
corrected by those of other sizes."""

import re

import pytest
from checkouts import ROOT

from hgm.cli import main
from hgm.systems import SYSTEMS
from hgm.workflow.cards import CARDS
from hgm.workflow.forecast import Range, forecast, read_figures, table, wall_time
from hgm.workflow.jobs import planned_jobs

CPU = CARDS["cpu"]
A100 = CARDS["a100"]


def rows(plan, results, figures, card=CPU):
    return {e.rule: e for e in forecast(plan, results, figures, card)}


def test_hours_grow_with_people_and_samples(run, another):
    run.finish(seconds=60.0, gpu=True)
    figures = read_figures(run.results.parent)
    larger = another(
        run="larger",
        scans={
            "train": "0000-0011",
            "val": "0500",
            "test": "0505-0506",
            "chunk": 3,
            "texture": 256,
        },
        coarse={"steps": 720, "batch": 2, "accumulate": 2},
    )
    found = rows(larger.plan, larger.results, figures, A100)
    # 4 chunks of 60 s had 3 + 3 + 1 + 2 people; now there are 15
    assert (
        found["render"].seconds.likely == pytest.approx(15 * 240 / 9)
        and found["render"].gpu_seconds == Range()
    )
    assert (
        found["render"].jobs == 6
        and found["render"].memory_mb == 2048
        and found["render"].note == "from made"
    )
    steps = run.plan.config["coarse"]["steps"]
    assert found["coarse"].seconds.likely == pytest.approx(2 * 60 * 720 * 4 / steps)
    assert found["coarse"].gpu_seconds.likely == pytest.approx(found["coarse"].seconds.likely)
    assert (
        found["record"].seconds.likely == pytest.approx(60)
        and found["record"].seconds.low < 60 < found["record"].seconds.high
    )


def test_figures_of_one_gpu_are_brought_to_four(run, another):
    run.finish("coarse", "fusion", seconds=60.0, gpu=True)
    four = another(run="four", coarse={"gpus": 4, "accumulate": 4})
    found = rows(four.plan, four.results, read_figures(run.results.parent, A100), A100)
    assert (
        found["coarse"].note == "computed, scaled by made" and found["fusion"].note == "from made"
    )


def test_a_job_of_the_same_name_is_the_better_figure(run, another):
    run.finish("coarse", seconds=100.0)
    run.finish("coarse_no_body", seconds=50.0)
    again = another(run="again")
    assert rows(again.plan, again.results, read_figures(run.results.parent))[
        "coarse"
    ].seconds.likely == pytest.approx(150)


def test_what_is_done_costs_nothing_more(run):
    run.finish("catalogue", "render/train000", seconds=30.0)
    found = rows(run.plan, run.results, read_figures(run.results.parent))
    assert (
        found["catalogue"].left == 0
        and found["catalogue"].seconds == Range()
        and found["render"].left == 3
    )


def test_a_run_that_nothing_like_it_has_run_is_computed(another, capsys, monkeypatch, tmp_path):
    new = another(run="new")
    found = rows(new.plan, new.results, [])
    assert all(
        0 < e.seconds.low < e.seconds.likely < e.seconds.high and e.note == "computed"
        for e in found.values()
    )
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 0  # no folder of results either
    printed = capsys.readouterr().out
    assert re.search(r"^hours +\d+:\d\d:\d\d +\d+:\d\d:\d\d to ", printed, re.MULTILINE)
    assert (
        re.search(r"^disk +[\d.]+ GB +[\d.]+ GB to [\d.]+ GB$", printed, re.MULTILINE)
        and "shares are assumed" in printed
    )
    assert (
        main(["plan", "--gpus", "0"]) == 1
        and "--gpus: 0; expected 1 or more" in capsys.readouterr().err
    )
    assert main(["plan", "--results", "reslts"]) == 1
    assert (
        capsys.readouterr().err
        == "error: --results: reslts is no folder; expected the folder of earlier runs, such "
        "as results\n"
    )


def test_other_sizes_correct_what_is_computed(run, another):
    other = another(run="other", rendering={"size": 256})
    plain = rows(other.plan, other.results, [])
    run.finish("coarse", seconds=1.0)
    expected = read_figures(run.results.parent, CPU)[0].computed.likely
    run.finish("coarse", seconds=3 * expected)
    found = rows(other.plan, other.results, read_figures(run.results.parent, CPU))
    assert found["coarse"].seconds.likely == pytest.approx(3 * plain["coarse"].seconds.likely)
    assert found["coarse"].note == "computed, scaled by made" and found["mesh"].note == "computed"


def test_no_run_was_measured_is_not_said_where_one_was(run, another):
    other = another(run="other", rendering={"size": 256})
    run.finish(seconds=10.0)
    figures = read_figures(run.results.parent, CPU)
    scaled = [e for e in forecast(other.plan, other.results, figures, CPU) if "scaled" in e.note]
    assert scaled and "no run" not in table(scaled, other.plan, CPU, gpus=0, cores=1)
    plain = forecast(other.plan, other.results, [f for f in figures if f.rule != "coarse"], CPU)
    assert "Computed: no run has measured such a job" in table(
        plain, other.plan, CPU, gpus=0, cores=1
    )


def test_a_cpu_s_figures_say_nothing_of_a_gpu(run, another):
    run.finish("coarse", "render/train000", seconds=5000.0)
    again = another(run="again")
    found = rows(again.plan, again.results, read_figures(run.results.parent, A100), A100)
    assert found["coarse"].note == "computed" and found["render"].note == "from made"
    run.finish("coarse", seconds=5000.0, gpu=True)
    assert (
        rows(again.plan, again.results, read_figures(run.results.parent, A100), A100)["coarse"].note
        == "from made"
    )


def test_jobs_side_by_side_take_less_time_and_never_less_than_the_longest_chain(another):
    new = another(run="new")
    estimates = forecast(new.plan, new.results, [], A100)
    one, four = (wall_time(estimates, new.plan, gpus=n, cores=8 * n).likely for n in (1, 4))
    each = {name: found.likely for e in estimates for name, found in e.each.items()}
    chain = (
        "standin/train000",
        "catalogue",
        "render/train000",
        "coarse",
        "pairs",
        "controlnet",
        "reconstruct/full/test000",
        "mesh/full/test000",
        "evaluate/full/test000",
        "report",
    )
    assert sum(each[name] for name in chain) < four < one < sum(each.values())
    alone = wall_time(forecast(new.plan, new.results, [], CPU), new.plan, gpus=0, cores=1)
    assert alone.likely == pytest.approx(
        sum(x.likely for e in forecast(new.plan, new.results, [], CPU) for x in e.each.values())
    )


def test_the_order_of_jobs_is_that_of_the_rules(another):
    """Each comes behind all that it waits for, and only what reads nothing waits for no other."""
    new = another(run="new", evaluate={"variants": ["full", "no_body", "front_only", "no_refine"]})
    jobs = planned_jobs(new.plan)
    waits = {job.name: set(job.after) for job in jobs}
    seen: set[str] = set()
    for job in jobs:
        assert waits[job.name] <= seen, job.name
        seen.add(job.name)
    assert {name for name, others in waits.items() if not others} == {"record", "body_model"} | {
        f"standin/{chunk}" for chunk in new.plan.chunks
    }
    assert (
        waits["coarse"] >= {"render/train000", "render/val000"}
        and "coarse_no_body" not in waits["pairs"]
    )
    assert waits["refine/test000"] >= {"estimate/test000", "coarse"}
    assert "refine_front_only/test000" in waits["reconstruct/front_only/test000"]
    assert "refine/test000" not in waits["reconstruct/no_refine/test000"]
    assert waits["reconstruct/no_body/test000"] >= {
        "coarse_no_body",
        "fusion_no_body",
        "controlnet",
    }


def test_runs_without_a_record_and_broken_files_are_left_out(run):
    run.finish("render/train000", seconds=30.0)
    run.write("benchmarks/coarse.jsonl", '{"s": "x"}\nnot json\n')
    run.write("../foreign/benchmarks/coarse.jsonl", '{"s": 3}\n')
    assert [f.name for f in read_figures(run.results.parent)] == ["render/train000"]


def test_gpus_of_jobs_are_those_of_the_rules(another, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"")
    run = another(
        images=[str(tmp_path / "photo.png")],
        evaluate={"variants": ["no_body", "full", "pymafx"]},
        estimate={"source": "pixie", "pixie": "x", "pymafx": "y"},
        rendering={"device": "gpu"},
    )
    others = {f"{system}.smk" for system in SYSTEMS} - {"hgm.smk"}
    paths = [path for path in (ROOT / "rules").glob("*.smk") if path.name not in others]
    rules = "".join(path.read_text() for path in paths)
    asked = {
        name
        for name, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^\S|\Z)", rules, re.MULTILINE | re.DOTALL
        )
        if re.search(rf'^\s+gpu=plan\.gpus\("{name}"\),', body, re.MULTILINE)
    }
    assert {job.rule for job in planned_jobs(run.plan) if job.gpus} == asked
