"""What clusters do to jobs, done to a training on a real SLURM: each run ends with the bytes of an
undisturbed one.

docs/reliability.md has the same faults as a table, with what a user sees. The training is that of
the smallest system (new_system.py).
"""

import os
import signal

from cluster import wait_until
from cluster_runs import TRAINED

from hgm.core.slurm import parse_left


def test_a_killed_job_is_started_again(training, tint_trained):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        os.kill(job.process, signal.SIGKILL)
    run.end(head)
    assert "FAILED" in run.said() and "1 of 1  field" in run.said()
    assert len(run.submitted()) == 2 and run.has_training_of(tint_trained)


def test_a_cancelled_job_is_started_again(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        cluster.slurm("scancel", job.job_id)
        run.wait_for_word("CANCELLED")
    run.end(head)
    assert len(run.submitted()) == 2 and run.has_training_of(tint_trained)


def test_a_job_moves_when_its_node_goes_down(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        cluster.power_off(job.node)
        wait_until(
            lambda: any("PENDING" in line for line in cluster.jobs("%T")),
            "the job back in the queue",
        )
        cluster.release()
    run.end(head)
    assert len(run.submitted()) == 1 and run.has_training_of(tint_trained)


def test_a_preempted_job_comes_back(training, tint_trained, cluster):
    run = training(gpu_partition="scav")
    head = run.start(*TRAINED)
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
    assert run.submitted() == [job.job_id] and run.has_training_of(tint_trained)


def test_a_job_that_hangs_meets_its_time_limit(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        cluster.slurm("scontrol", "update", f"JobId={job.job_id}", "TimeLimit=1")
        run.wait_for_word("TIMEOUT")
    run.end(head)
    assert len(run.submitted()) == 2 and run.has_training_of(tint_trained)


def test_a_training_is_cut_into_slices_of_the_time_limit(training, tint_trained, cluster):
    """A job of two minutes, most of which pass idly: it stops before its time is up, SLURM starts
    it again by itself, and it goes on from its state."""
    run = training()
    head = run.start(*TRAINED, "--set-resources", "field:runtime=2")
    with run.held("field", "state/field/*/progress.json") as job:  # it knows its time
        left = ("squeue", "--noheader", f"--jobs={job.job_id}", "--format=%L")
        wait_until(lambda: parse_left(cluster.slurm(*left)) < 10, "the end of the slice", pause=1.0)
        # a busy machine may be slower than SLURM
        cluster.slurm("scontrol", "update", f"JobId={job.job_id}", "TimeLimit=3")
    wait_until(lambda: cluster.jobs("%T") == ["PENDING"], "the job back in the queue", pause=0.5)
    cluster.release()
    run.end(head)
    assert run.submitted() == [job.job_id] and run.has_training_of(tint_trained)
