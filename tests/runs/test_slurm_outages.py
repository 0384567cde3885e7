"""Heads, daemons and clocks that fail while a training is on a real SLURM: each run ends with the
bytes of an undisturbed one (docs/reliability.md)."""

import os
import signal

import pytest
from cluster import FAKETIME, wait_until
from cluster_runs import TRAINED


def test_a_killed_head_finds_its_jobs_again(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        head = run.start(*TRAINED)
        run.wait_for_word(f"goes on as SLURM job {job.job_id} ")
    run.end(head)
    assert run.submitted() == [job.job_id] and run.has_training_of(tint_trained)
    assert "Nothing to be done" in run.run(*TRAINED)


def test_a_job_that_ends_while_no_head_is_there_counts(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
    wait_until(lambda: not cluster.jobs(), "the job's end")
    assert "Nothing to be done" in run.run(*TRAINED) and run.has_training_of(tint_trained)


def test_a_job_of_other_parameters_is_not_taken_for_its_own(training, tint_trained, tmp_path):
    run = training()
    changes = tmp_path / "changes.yaml"
    changes.write_text("field: {lr: 0.1}")
    other = (*TRAINED, str(changes))
    head = run.start(*other)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        head = run.start(*TRAINED)
        run.wait_for_word("from other inputs or parameters: cancelled")
    run.end(head)
    assert len(run.submitted()) == 2 and run.has_training_of(tint_trained)


def test_ctrl_c_cancels_the_jobs_and_leaves_a_run_that_goes_on(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field"):
        os.killpg(head.pid, signal.SIGINT)
        assert head.wait(300) != 0
        wait_until(lambda: not cluster.jobs(), "an empty queue")
    run.run(*TRAINED)
    assert run.has_training_of(tint_trained)


def test_the_controller_may_be_away_when_a_job_ends(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field"):
        cluster.kill_controller()
        run.wait_for_word("SLURM does not answer")
    wait_until(
        lambda: (run.results / "field/training.json").exists() or head.poll() is not None,
        "the job's end",
    )
    cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and run.has_training_of(tint_trained)


def test_the_controller_may_be_away_when_a_job_is_submitted(training, tint_trained, cluster):
    run = training()
    cluster.kill_controller()
    head = run.start(*TRAINED)
    run.wait_for_word("SLURM does not answer")
    cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and run.has_training_of(tint_trained)


def test_a_job_outlives_the_daemon_of_its_node(training, tint_trained, cluster):
    run = training()
    head = run.start(*TRAINED)
    with run.held("field") as job:
        cluster.kill_slurmd(job.node)
    run.end(head)
    assert len(run.submitted()) == 1 and run.has_training_of(tint_trained)


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
        head = run.start(*TRAINED, "--retries", "0")
        assert head.wait() == (0 if seconds > 0 else 1), run.said()
    finally:
        cluster.clock_off(node, 0)
    if seconds < 0:
        assert "has older modification time" in run.said() and "clock skew" in run.said()
        run.run(*TRAINED)
    assert run.has_training_of(tint_trained) and "Nothing to be done" in run.run(*TRAINED)


def test_the_controller_may_forget_what_it_launched(training, tint_trained, cluster):
    """Killed before its state was on the disk, SLURM launches the job again, in vain, and holds it
    back. The last test, for job ids begin anew too."""
    run = training()
    head = run.start(*TRAINED)
    with run.held("field"):
        cluster.kill_controller(saved=False)
        run.wait_for_word("SLURM does not answer")
        cluster.start_controller()
    run.end(head)
    assert len(run.submitted()) == 1 and run.has_training_of(tint_trained)
