"""What may go, and what must not."""

import shlex

import pytest

from hgm.cli import main
from hgm.errors import InputError
from hgm.workflow.jobs import planned_jobs
from hgm.workflow.prune import candidates, check_idle, chosen, spans


def furnish(run) -> None:
    """Training state and stand-ins as a run leaves them."""
    for name in ("coarse", "coarse_no_body", "fusion", "normals"):
        run.write(f"state/{name}/key/state.pt", "x" * 1000)
    for job in planned_jobs(run.plan):
        if job.rule == "standin":
            for output in job.outputs:
                run.write(output)
            for name in job.members:
                run.write(f"standin/THuman2.0_Release/{name}/{name}.obj", "v 0 0 0\n" * 100)
                run.write(f"standin/THuman2.0_Smpl_X_Paras/{name}/smplx_param.pkl", "fit")
                run.write(f"standin/made/{name}/.standin.json")


def paths(run) -> set[str]:
    return {str(c.path.relative_to(run.results)) for c in candidates(run.plan, run.results)}


def test_only_what_nothing_needs_any_more_may_go(run):
    furnish(run)
    assert paths(run) == set()
    run.finish("coarse", "catalogue", "render/train000", "render/test000")
    assert paths(run) == {"state/coarse", *(f"standin/THuman2.0_Release/000{i}" for i in range(3))}
    run.finish(*(f"evaluate/{variant}/test000" for variant in run.plan.variants[1:]))
    assert "standin/THuman2.0_Release/0505" not in paths(run)
    run.finish(f"evaluate/{run.plan.variants[0]}/test000")
    assert {"standin/THuman2.0_Release/0505", "standin/THuman2.0_Release/0506"} <= paths(run)


def test_scans_that_another_method_is_still_measured_by_stay(another):
    run = another(run="rivals", evaluate={"baselines": {"sith": "theirs"}})
    furnish(run)
    run.finish(*(name for name in run.jobs if not name.startswith(("baseline", "report"))))
    assert "standin/THuman2.0_Release/0505" not in paths(run)
    run.finish("baseline/sith/test000")
    assert "standin/THuman2.0_Release/0505" in paths(run)


def test_real_scans_are_never_offered(another, tmp_path):
    here = str(tmp_path)
    real = another(
        scans={
            "source": "thuman2",
            "root": here,
            "models": here,
            "train": "0000",
            "val": "",
            "test": "0505",
        }
    )
    real.write("standin/THuman2.0_Release/0000/0000.obj")
    real.finish()
    assert candidates(real.plan, real.results) == []


def test_pruning_deletes_what_it_said_and_the_marks_of_it(run, capsys):
    furnish(run)
    run.finish()
    orphan = run.write("views/train000/.a.png.abcd1234.part", "x")
    before = sum(c.size for c in candidates(run.plan, run.results))
    assert main(["prune", "--run", str(run.results), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert (
        f"{before / 2**20:.1f} MiB in {len(paths(run))} places may go" in said
        and "hgm standin --ids 0000-0002 --out" in said
    )
    assert orphan.exists() and (run.results / "state/coarse/key/state.pt").exists()
    assert (
        main(["prune", "--run", str(run.results), "--yes", "coarse", "standin", "temporary"]) == 0
    )
    assert (
        not orphan.exists()
        and not (run.results / "state/coarse").exists()
        and (run.results / "state/fusion/key/state.pt").exists()
    )
    for gone in (
        "standin/THuman2.0_Release/0505",
        "standin/train000.json",
        "standin/made/0000/.standin.json",
    ):
        assert not (run.results / gone).exists(), gone
    for kept in (
        "standin/THuman2.0_Smpl_X_Paras/0505/smplx_param.pkl",
        "standin/models.json",
        "coarse/weights.safetensors",
    ):
        assert (run.results / kept).exists(), kept
    assert paths(run) == {"state/coarse_no_body", "state/fusion", "state/normals"}
    assert main(["status", "--run", str(run.results)]) == 0 and capsys.readouterr().out.endswith(
        "Finished.\n"
    )


def test_the_line_that_makes_stand_ins_again_can_be_pasted(run, tmp_path):
    furnish(run)
    run.finish()
    folder = tmp_path / "it's; $(touch pwned)"
    run.results.rename(folder)
    lines = {c.again for c in candidates(run.plan, folder) if c.stage == "standin"}
    assert lines and all(
        shlex.split(line)[4:6] == ["--out", str(folder / "standin")] for line in lines
    )


@pytest.mark.parametrize(("answer", "gone"), [("n\n", False), ("", False), ("y\n", True)])
def test_it_asks(run, monkeypatch, capsys, answer, gone):
    import io

    furnish(run)
    run.finish()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["prune", "--run", str(run.results), "fusion"]) == 0
    assert (not (run.results / "state/fusion").exists()) is gone and (
        run.results / "state/normals"
    ).exists()
    assert ("MiB deleted" if gone else "Nothing was deleted") in capsys.readouterr().out


def test_it_leaves_a_working_run_alone(run, working, capsys):
    furnish(run)
    run.finish()
    working(run.results / "logs/mesh/full/test000.log")
    with pytest.raises(InputError, match="mesh/full/test000 is running"):
        check_idle(run.plan, run.results)
    assert (
        main(["prune", "--run", str(run.results), "--yes"]) == 1
        and (run.results / "state/coarse").exists()
    )


def test_a_stage_that_has_nothing_is_refused(run):
    furnish(run)
    run.finish("coarse")
    found = candidates(run.plan, run.results)
    with pytest.raises(InputError, match="nothing of 'views' may go now; expected coarse"):
        chosen(found, ["views"])


def test_spans_of_ids():
    assert spans(["0000", "0001", "0002", "0010", "0500"]) == "0000-0002,0010,0500"
