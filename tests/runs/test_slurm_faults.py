"""What clusters do to jobs, done to a training on a real SLURM: each run ends with the bytes of an
tint_trained one.

docs/reliability.md has the same faults as a table, with what a user sees. The training is that of
the smallest system (new_system.py).
"""

import os
import signal
import time

import pytest
from cluster import FAKETIME, wait_until
from cluster_runs import ClusterRun
from workspace import FIELD, LONGER, Workspace

from hgm.core.keys import folder_digest
from hgm.core.slurm import parse_left

WANTED = (*FIELD[:3], LONGER)


@pytest.fixture
def training(cluster, tint_trained, tmp_path):
    """Makes runs in which only the training is left to do; afterwards the cluster is whole
    again."""

    def make(**options: str) -> ClusterRun:
        tint_trained.copied_to(tmp_path / "work")
        run = ClusterRun(cluster, tmp_path / "work", tint_trained.root, **options)
        run.forget_training("field")
        return run

    yield make
    cluster.mend()


def same(run: ClusterRun, tint_trained: Workspace) -> bool:
    return folder_digest(run.results / "field") == folder_digest(tint_trained.results / "field")


def test_a_killed_job_is_started_again(training, tint_trained):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        os.kill(job.process, signal.SIGKILL)
    run.end(head)
    assert "FAILED" in run.said() and "1 of 1  field" in run.said()
    assert len(run.submitted()) == 2 and same(run, tint_trained)


def test_a_cancelled_job_is_started_again(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        cluster.slurm("scancel", job.job_id)
        run.wait_for_word("CANCELLED")
    run.end(head)
    assert len(run.submitted()) == 2 and same(run, tint_trained)


def test_a_killed_head_finds_its_jobs_again(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        head = run.start(*WANTED)
        run.wait_for_word(f"goes on as SLURM job {job.job_id} ")
    run.end(head)
    assert run.submitted() == [job.job_id] and same(run, tint_trained)
    assert "Nothing to be done" in run.run(*WANTED)


def test_a_job_that_ends_while_no_head_is_there_counts(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
    wait_until(lambda: not cluster.jobs(), "the job's end")
    assert "Nothing to be done" in run.run(*WANTED) and same(run, tint_trained)


def test_a_job_of_other_parameters_is_not_taken_for_its_own(training, tint_trained):
    run = training()
    other = (*WANTED, "--config", "seed=5")
    head = run.start(*other)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        head = run.start(*WANTED)
        run.wait_for_word("from other inputs or parameters: cancelled")
    run.end(head)
    assert len(run.submitted()) == 2 and same(run, tint_trained)


def test_the_controller_may_be_away_when_a_job_ends(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field"):
        cluster.kill_controller()
        run.wait_for_word("SLURM does not answer")
    wait_until(
        lambda: (run.results / "field/training.json").exists() or head.poll() is not None,
        "the job's end",
        90,
    )
    cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and same(run, tint_trained)


def test_the_controller_may_be_away_when_a_job_is_submitted(training, tint_trained, cluster):
    run = training()
    cluster.kill_controller()
    head = run.start(*WANTED)
    run.wait_for_word("SLURM does not answer")
    cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and same(run, tint_trained)


def test_a_job_outlives_the_daemon_of_its_node(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        cluster.kill_slurmd(job.node)
    run.end(head)
    assert len(run.submitted()) == 1 and same(run, tint_trained)


def test_a_job_moves_when_its_node_goes_down(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        cluster.power_off(job.node)
        wait_until(
            lambda: any("PENDING" in line for line in cluster.jobs("%T")),
            "the job back in the queue",
        )
        cluster.release()
    run.end(head)
    assert len(run.submitted()) == 1 and same(run, tint_trained)


def test_a_preempted_job_comes_back(training, tint_trained, cluster):
    run = training(gpu_partition="scav")
    head = run.start(*WANTED)
    with run.held("field") as job:
        cluster.slurm(
            "sbatch",
            "--partition=main",
            "--nodes=3",
            "--exclusive",
            "--output=/dev/null",
            "--wrap=sleep 3",
        )
        wait_until(
            lambda: f"{job.job_id} PENDING" in cluster.jobs("%i %T"), "the job back in the queue"
        )
        wait_until(lambda: len(cluster.jobs()) == 1, "the end of the other job")
        cluster.release()
    run.end(head)
    assert run.submitted() == [job.job_id] and same(run, tint_trained)


def test_a_job_that_hangs_meets_its_time_limit(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field") as job:
        cluster.slurm("scontrol", "update", f"JobId={job.job_id}", "TimeLimit=1")
        run.wait_for_word("TIMEOUT", 150)
    run.end(head)
    assert len(run.submitted()) == 2 and same(run, tint_trained)


def test_ctrl_c_cancels_the_jobs_and_leaves_a_run_that_goes_on(training, tint_trained, cluster):
    run = training()
    head = run.start(*WANTED)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGINT)
        assert head.wait(60) != 0
        wait_until(lambda: not cluster.jobs(), "an empty queue")
    run.run(*WANTED)
    assert same(run, tint_trained)


@pytest.mark.skipif(
    FAKETIME is None, reason="needs libfaketime (Debian: apt-get install libfaketime)"
)
@pytest.mark.parametrize("seconds", [120, -120])
def test_the_clock_of_a_node_may_be_wrong(training, tint_trained, cluster, seconds):
    """Ahead, nothing is seen of it; behind, products would be older than what they are made from,
    and the job fails."""
    run = training()
    node = cluster.nodes[0]
    run.site.write_text(
        f"gpu: {{slurm_partition: gpu, gres: 'gpu:fake-80gb', slurm_extra: '--nodelist={node}'}}\n"
    )
    for made_just_now in run.results.glob("points/*/manifest.json"):
        made_just_now.touch()
    cluster.clock_off(node, seconds)
    try:
        head = run.start(*WANTED, "--retries", "0")
        assert head.wait() == (0 if seconds > 0 else 1), run.said()
    finally:
        cluster.clock_off(node, 0)
    if seconds < 0:
        assert "has older modification time" in run.said() and "clock skew" in run.said()
        run.run(*WANTED)
    assert same(run, tint_trained) and "Nothing to be done" in run.run(*WANTED)


def test_a_training_is_cut_into_slices_of_the_time_limit(training, tint_trained, cluster):
    """A job of a minute, which passes idly but for its end: SLURM starts it again by itself, and it
    goes on from its state."""
    run = training()
    head = run.start(*WANTED, "--set-resources", "field:runtime=1")
    with run.held("field") as job:
        left = ("squeue", "--noheader", f"--jobs={job.job_id}", "--format=%L")
        # it stops 6 s before
        wait_until(lambda: parse_left(cluster.slurm(*left)) < 6, "the end of the slice", 90)
        # so that SLURM is not faster on a busy machine
        cluster.slurm("scontrol", "update", f"JobId={job.job_id}", "TimeLimit=2")
    slices = 0
    while head.poll() is None:
        if cluster.jobs("%T") == ["PENDING"]:
            slices += 1
            cluster.release()
        time.sleep(0.5)
    run.end(head)
    assert slices and run.submitted() == [job.job_id] and same(run, tint_trained)


def test_the_controller_may_forget_what_it_launched(training, tint_trained, cluster):
    """Killed before its state was on the disk, SLURM launches the job again, in vain, and holds it
    back. The last test, for job ids begin anew too."""
    run = training()
    head = run.start(*WANTED)
    with run.held("field"):
        cluster.kill_controller(saved=False)
        run.wait_for_word("SLURM does not answer")
        cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and same(run, tint_trained)
