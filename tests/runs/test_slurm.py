"""Runs of the smallest system (new_system.py) on a real SLURM of three nodes; test_runs.py has one
of HGM."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_runs import ON_CLUSTER, TRAINED, ClusterRun
from workspace import TINT


@pytest.fixture
def empty(cluster, tint, tmp_path) -> ClusterRun:
    """An empty working folder on the cluster."""
    return ClusterRun(cluster, tmp_path / "work", tint)


def test_a_run_ends_with_the_bytes_of_a_local_one(empty, tint_calm, cluster):
    said = empty.run(*TINT[:2])
    assert "11 of 11" in said and len(empty.submitted()) == 11
    assert empty.products() == tint_calm.products()
    assert "Nothing to be done" in empty.run(*TINT[:2])
    if cluster.has_accounts:
        [path] = empty.folder.glob("logs/slurm/efficiency_report_*.csv")
        rows = list(csv.DictReader(path.open()))
        assert [row["job"] for row in rows] == empty.submitted() and {
            "field",
            "points/train000",
        } <= {row["name"] for row in rows}
        assert {row["state"] for row in rows} == {"COMPLETED"}
        assert all(
            float(row["cpu_seconds"]) > 0 and 0 < float(row["memory_percent"]) < 100 for row in rows
        )


@pytest.fixture
def small(cluster, tint_trained, tmp_path) -> Callable[..., ClusterRun]:
    """Makes finished runs of the smallest system (new_system.py) in a folder of one's own."""

    def make(folder: Path = tmp_path / "work", **options: str) -> ClusterRun:
        return ClusterRun(
            cluster, tint_trained.copied_to(folder).folder, tint_trained.root, **options
        )

    return make


def test_what_a_job_asks_for(cluster, small):
    """GPU jobs go to the GPU partition with a declared GPU each, others to the site's default;
    memory and time are the rule's."""
    run = small()
    run.forget_training("field")
    head = run.start(*TRAINED)
    with run.held("field") as job:
        asked = cluster.slurm("scontrol", "show", "job", job.job_id)
        node = cluster.slurm("scontrol", "show", "node", job.node, "--details")
    run.end(head)
    for part in (
        "Partition=gpu",
        "gres:gpu:fake-80gb:1",
        "TimeLimit=1-00:00:00",
        "mem=2000M",
        "Requeue=1",
        "JobName=hgm_",
    ):
        assert part in asked, asked
    assert "gpu:fake-80gb:1(IDX:0)" in node


def test_jobs_ask_for_no_gres_where_the_site_file_says_so(cluster, small, tint_trained):
    run = small(gpu_partition="main", gres="null")
    run.forget_training("field")
    head = run.start(*TRAINED)
    with run.held("field") as job:
        asked = cluster.slurm("scontrol", "show", "job", job.job_id)
    run.end(head)
    assert (
        "Partition=main" in asked
        and "TresPerNode" not in asked
        and run.products() == tint_trained.products()
    )


def test_a_gres_that_the_cluster_lacks_is_told_in_one_line_before_anything_runs(cluster, tmp_path):
    run = ClusterRun(cluster, tmp_path / "work", gres="gpu:h100")
    head = run.start(*ON_CLUSTER)
    assert head.wait() == 1 and run.submitted() == []
    [line] = [line for line in run.said().splitlines() if "gres" in line]
    assert (
        line.startswith(f"{run.site}: gpu: gres: gpu:h100: no node of this cluster has such a GRES")
        and "gres: null" in line
    )
    assert "Traceback" not in run.said()


def test_jobs_see_nothing_of_another_environment(empty, tmp_path):
    """Started by hand, a head has what its shell names; it does not hand it on."""
    (tmp_path / "numpy.py").write_text(
        "import os, sys\nif 'SLURM_JOB_ID' in os.environ:\n    raise SystemExit('not ours')\n"
        # in its place, since whoever looks for plugins may be on the way through the list
        "sys.path[sys.path.index(os.path.dirname(__file__))] = '/nowhere'\n"
        "del sys.modules['numpy']\nimport numpy\n"
    )
    empty.path = os.pathsep.join([str(tmp_path), empty.path])
    empty.run("results/tiny/standin/models.json", *TINT[:2])
    assert (empty.results / "standin/models.json").exists()


def test_no_output_of_the_shell_is_trusted(small, tint_trained, tmp_path):
    """A folder whose name is a shell's idea of a command."""
    run = small(tmp_path / "a b'$(touch pwned)\";é\n漢")
    run.forget_training("field")
    run.run(*TRAINED)
    assert not list(tmp_path.rglob("pwned")) and run.products() == tint_trained.products()


@pytest.mark.parametrize("name", ["100%", r"a\b"])
def test_a_folder_that_slurm_cannot_name_is_told_before_anything_runs(
    cluster, tint, tmp_path, name
):
    run = ClusterRun(cluster, tmp_path / name, tint)
    assert run.start(*TINT[:2]).wait() == 1 and run.submitted() == []
    assert "in the path of a log for a pattern; move to a folder" in run.said()
