"""What a run's folder says: done, running, failed, stopped, waiting, and what is left."""

import json
import os
import subprocess
import sys

import pytest

from hgm.cli import main
from hgm.errors import InputError
from hgm.workflow.forecast import read_figures
from hgm.workflow.status import describe, look, plan_of, set_aside


def state(run, name: str) -> tuple[str, str]:
    seen = look(run.jobs[name], run.results)
    return seen.state, seen.note


def test_states_of_jobs_by_their_files(run):
    run.finish("catalogue")
    run.write(
        "logs/render/train000.log",
        "on a, process 3\ntrain000 1/3 0000\nerror: 0001.obj: cut off; copy it again\n",
    )
    run.write(
        "logs/coarse.log",
        "on a, process 4\nunexpected failure in coarse.py\nTraceback …\nRuntimeError: surprise\n",
    )
    run.write("logs/fusion.log", "slice ended: fusion: stopped at step 5 of 9, time is up\n")
    run.write(
        "logs/standin/train001.log",
        "on a, process 5\nstandin 0003: done\nstandin 0004: set aside: bad\n",
    )
    assert state(run, "catalogue") == ("done", "")
    assert state(run, "render/train000") == ("failed", "0001.obj: cut off; copy it again")
    assert state(run, "coarse") == ("failed", "RuntimeError: surprise")
    assert state(run, "fusion") == ("stopped", "fusion: stopped at step 5 of 9, time is up")
    assert state(run, "standin/train001") == ("stopped", "ended without a word, 2 of 3")
    assert state(run, "mesh/full/test000") == ("waiting", "")


def test_a_job_runs_while_its_process_lives(run, working):
    log = run.write("logs/coarse.log", "on node7, process 4711\nGPU GPU-aaaa\n")
    run.write(
        "state/coarse/old/progress.json",
        json.dumps({"stage": "coarse", "step": 1, "steps": 9, "rate": 1}),
    )
    os.utime(run.results / "state/coarse/old/progress.json", (1, 1))
    run.write(
        "state/coarse/key/progress.json",
        json.dumps(
            {
                "stage": "coarse",
                "step": 120,
                "steps": 360,
                "rate": 2.0,
                "at_once": 1,
                "loss": 0.0633,
                "lr": 1e-4,
            }
        ),
    )
    process = working(log)
    seen = look(run.jobs["coarse"], run.results)
    assert (seen.state, seen.where, seen.left) == (
        "running",
        "node7, process 4711, GPU GPU-aaaa",
        120.0,
    )
    assert seen.note == "coarse 120 of 360  2.00/s  loss 0.0633"
    text = describe(run.plan, run.results, [])
    assert (
        "coarse  coarse 120 of 360  2.00/s  loss 0.0633  0:02:00 left  (node7, process 4711, GPU "
        "GPU-aaaa)" in text
    )
    process.kill()
    process.wait()
    assert look(run.jobs["coarse"], run.results).state == "stopped"


def test_the_time_left_of_a_chunk_is_that_of_its_members(run, working):
    log = run.write(
        "logs/render/train001.log", "on a, process 1\ntrain001 1/3 0003\ntrain001 2/3 0004\n"
    )
    record = run.write("logs/render/train001.job.json")
    os.utime(record, (1000.0, 1000.0))
    working(log)
    seen = look(run.jobs["render/train001"], run.results, now=1060.0)
    assert seen.note == "2 of 3" and seen.left == pytest.approx(30.0)


def test_the_table_counts_and_says_what_is_left(run):
    standins = [name for name in run.jobs if name.startswith("standin/")]
    run.finish("catalogue", *standins, "render/train000", seconds=30.0)
    run.write(
        "views/train000/manifest.json",
        json.dumps({"failed": {"0002": "no texture"}, "members": {}}),
    )
    text = describe(run.plan, run.results, read_figures(run.results.parent))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["render"] == ["1", ".", ".", ".", "3"] and rows["catalogue"] == [
        "1",
        ".",
        ".",
        ".",
        ".",
    ]
    assert "set aside\n  render/train000  0002: no texture" in text
    done = len(standins) + 3  # with the record of the run
    # render has a figure (30 s for 3 people), and 3 + 1 + 2 people are left
    assert (
        f"{len(run.jobs) - done} of {len(run.jobs)} jobs to do; 0:01:00 of work, one job after "
        "the other" in text
    )
    assert set_aside([look(job, run.results) for job in run.jobs.values()], run.results) == [
        ("render/train000", "0002", "no texture")
    ]


def test_a_finished_run_says_so_and_watching_ends(run, capsys):
    run.finish()
    assert main(["status", "--run", str(run.results), "--watch"]) == 0
    assert capsys.readouterr().out.endswith("Finished.\n")


def test_watching_goes_on_until_the_last_job_is_done(run):
    run.finish(*(name for name in run.jobs if name not in ("report", "record")))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hgm.cli",
            "status",
            "--run",
            str(run.results),
            "--watch",
            "--every",
            "0.05",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    while "1 of" not in process.stdout.readline():
        assert process.poll() is None
    run.finish("report")
    assert process.communicate(timeout=60)[0].endswith("Finished.\n") and process.returncode == 0


def test_the_verbs_need_only_the_environment_of_the_workflow():
    code = (
        "import sys; import hgm.workflow.status, hgm.workflow.prune, hgm.workflow.forecast, "
        "hgm.systems.hgm.settings, hgm.systems.hgm.plan; print(sorted({'torch', 'numpy', 'PIL', "
        "'scipy'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_a_folder_that_is_no_run_is_one_clear_error(tmp_path, capsys):
    with pytest.raises(InputError, match="no record of a run"):
        plan_of(tmp_path)
    assert main(["status", "--run", str(tmp_path)]) == 1 and "error: " in capsys.readouterr().err


def test_a_run_of_a_system_that_is_not_there_names_its_record(tmp_path):
    (tmp_path / "run.json").write_text('{"config": {"system": "gone"}}')
    with pytest.raises(InputError, match=r"run\.json: system: 'gone' is not known; expected one"):
        plan_of(tmp_path)
