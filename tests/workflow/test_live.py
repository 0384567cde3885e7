"""What is known of a run while Snakemake works on it."""

import json
import os
from pathlib import Path

import pytest

from hgm.core.run_folder import RunFolder
from hgm.workflow.forecast import read_figures
from hgm.workflow.live import LiveRun

COUNTS = {"standin": 4, "render": 4, "coarse": 1, "all": 1}


def log(run, name: str) -> str:
    return str(run.results / f"logs/{name}.log")


def test_names_of_jobs_stand_in_the_paths_of_their_logs():
    path = Path("results/logs/logs/reconstruct/full/test000.log")
    run = RunFolder.of_log(path)
    assert run.path == Path("results/logs") and run.job(path) == "reconstruct/full/test000"
    assert run.log(run.job(path)) == path
    elsewhere = Path("elsewhere/a.log")
    assert RunFolder.of_log(elsewhere).job(elsewhere) == "a"


def test_finished_jobs_are_counted_and_named_targets_are_none(run):
    live = LiveRun(COUNTS, list(run.jobs.values()), now=0.0)
    assert live.total == 9
    live.begin(3, "standin", log(run, "standin/train000"), now=1.0)
    live.begin(0, "all", None, now=2.0)
    assert live.finish(3, now=8.0) == "1 of 9  standin/train000  0:00:07"
    assert live.finish(0, now=9.0) is None and live.finish(7) is None
    assert live.lines(5, now=10.0)[0].startswith("1 of 9 jobs  0:00:10 so far  about ")


def test_without_figures_the_time_left_is_that_of_the_jobs_so_far(run):
    live = LiveRun({"standin": 4}, list(run.jobs.values()), now=0.0)
    assert live.lines(5, now=0.0) == ["0 of 4 jobs  0:00:00 so far"]
    live.begin(1, "standin", log(run, "standin/train000"), now=0.0)
    live.finish(1, now=20.0)
    # three more of 20 s, one after the other
    assert live.left({}, now=20.0) == "about 0:01:00 left"
    live.begin(2, "standin", log(run, "standin/train001"), now=20.0)
    assert live.left({}, now=30.0) == "about 0:00:50 left"
    assert live.left({"standin/train001": 1.0}, now=30.0) == "about 0:00:41 left"


def test_jobs_side_by_side_shorten_the_time_left(run):
    live = LiveRun({"standin": 4}, list(run.jobs.values()), now=0.0)
    for number, name in enumerate(("train000", "train001")):
        live.begin(number, "standin", log(run, f"standin/{name}"), now=0.0)
    for number in range(2):
        live.finish(number, now=300.0)
    # 600 s of work at (600 + 30) / (300 + 30) of it a second
    assert live.left({}, now=300.0) == "about 0:05:14 left"


def test_benchmarks_tell_the_time_left(run, another):
    earlier = another(run="earlier")
    earlier.record()
    earlier.finish("standin/train000", seconds=30.0)  # three people
    earlier.finish("coarse", seconds=100.0)
    live = LiveRun({"standin": 1, "coarse": 1}, list(run.jobs.values()), now=0.0)
    live.learn(run.plan, read_figures(run.results.parent))
    live.begin(1, "standin", log(run, "standin/train000"), now=0.0)
    assert live.left({}, now=10.0) == "0:02:00 left"
    run.finish("standin/train000")
    assert live.finish(1, now=30.0) and live.left({}, now=30.0) == "0:01:40 left"


def test_a_running_job_shows_steps_rate_and_loss(run, working):
    live = LiveRun(COUNTS, list(run.jobs.values()), now=0.0)
    path = Path(run.write("logs/coarse.log", "on a, process 1\n"))
    live.begin(1, "coarse", str(path), now=path.stat().st_mtime + 100)
    # an old log
    assert live.lines(5, now=path.stat().st_mtime + 107)[1] == "  coarse  0:00:07 so far  starting"
    working(path)
    run.write(
        "state/coarse/key/progress.json",
        json.dumps({"stage": "coarse", "step": 120, "steps": 360, "rate": 2.0, "loss": 0.0633}),
    )
    assert live.lines(5)[1] == "  coarse  0:02:00 left  120 of 360  2.00/s  loss 0.0633"


def test_where_locks_are_not_seen_a_log_that_grows_shows_that_a_job_runs(run):
    live = LiveRun(COUNTS, list(run.jobs.values()), now=0.0)
    path = Path(run.write("logs/render/train000.log", "on node7, process 1\ntrain000 1/3 0000\n"))
    os.utime(run.write("logs/render/train000.job.json"), (1000.0, 1000.0))
    os.utime(path, (1010.0, 1010.0))
    live.begin(1, "render", str(path), now=990.0)
    assert live.lines(5, now=1010.0)[1] == "  render/train000  0:00:20 left  1 of 3"


def test_the_word_of_an_earlier_training_is_not_that_of_this_one(run, working):
    live = LiveRun(COUNTS, list(run.jobs.values()), now=0.0)
    path = run.write("logs/coarse.log", "on a, process 1\n")
    old = run.write(
        "state/coarse/old/progress.json",
        json.dumps({"stage": "coarse", "step": 9, "steps": 9, "rate": 1}),
    )
    os.utime(old, (1000.0, 1000.0))
    run.write("logs/coarse.job.json")
    working(path)
    live.begin(1, "coarse", str(path), now=5.0)
    assert live.lines(5, now=8.0)[1] == "  coarse  0:00:03 so far"


def test_many_jobs_take_no_more_than_the_room(run):
    live = LiveRun({"standin": 4, "render": 4}, list(run.jobs.values()), now=0.0)
    for number, name in enumerate(n for n in run.jobs if n.startswith(("standin", "render"))):
        live.begin(number, name.split("/")[0], log(run, name), now=0.0)
    lines = live.lines(3, now=1.0)
    assert len(lines) == 4 and lines[-1] == "  and 6 more"


def test_a_job_that_is_tried_again_is_still_one(run):
    live = LiveRun({"standin": 1}, list(run.jobs.values()), now=0.0)
    live.begin(1, "standin", log(run, "standin/train000"), now=0.0)
    assert live.fail(1).name == "standin/train000" and live.lines(3, now=5.0) == [
        "0 of 1 jobs  0:00:05 so far"
    ]
    live.begin(1, "standin", log(run, "standin/train000"), now=6.0)
    assert live.finish(1, now=16.0) == "1 of 1  standin/train000  0:00:10"
    assert live.left({}, now=16.0) == "0:00:00 left"


def test_without_a_plan_jobs_are_counted(tmp_path):
    live = LiveRun({"made": 2}, None, now=0.0)
    live.begin(1, "made", None, now=0.0)
    assert (
        live.finish(1, now=4.0) == "1 of 2  made  0:00:04"
        and live.left({}, 4.0) == "about 0:00:04 left"
    )


@pytest.mark.parametrize("counts", [{}, {"all": 1}])
def test_nothing_to_do_is_nothing_left(run, counts):
    assert (
        LiveRun(counts, list(run.jobs.values()), now=0.0)
        .lines(3, now=1.0)[0]
        .startswith("0 of 0 jobs")
    )
