"""The job around a process, and what the executor says and understands; a real SLURM is in
tests/workflow."""

import os
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_interface_common.exceptions import WorkflowError

from hgm.core import slurm
from hgm.core.job import Job
from snakemake_executor_plugin_slurm_safe import efficiency, queue
from snakemake_executor_plugin_slurm_safe.identity import identity
from snakemake_executor_plugin_slurm_safe.site import lacking_gres, read_site, request


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a shell script in the place of one of SLURM's commands."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1-02:03:04\n", 93784.0),
        ("2:03:04", 7384.0),
        ("59:58", 3598.0),
        ("0:00", 0.0),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_what_squeue_says_of_the_time_left(text, seconds):
    assert slurm.parse_left(text) == seconds


def test_a_job_has_the_time_that_slurm_leaves_it(program, monkeypatch):
    job = Job("coarse", {}, {}, {}, runtime=60.0)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    program("squeue", "echo 5:00")
    assert job.seconds() == 3600.0 and slurm.requeue() is False
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert job.seconds() == 300.0
    program("squeue", "exit 1")
    assert job.seconds() == 3600.0
    program("scontrol", '[ "$*" = "requeue 17" ]')
    assert slurm.requeue() is True
    program("scontrol", "exit 1")
    assert slurm.requeue() is False


def test_a_silent_controller_is_no_refusal(program):
    program(
        "squeue",
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; "
        "exit 1",
    )
    with pytest.raises(queue.Unreachable, match=r"squeue: .*connect failure"):
        queue.entries("x")
    program("sbatch", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1")
    with pytest.raises(queue.Refused, match="invalid partition specified: nope"):
        queue.submit([], "")


def test_the_queue_is_read_with_what_its_comments_say(program):
    program(
        "squeue",
        "printf '5|RUNNING|None|mesh ab cd\\n6|PENDING|launch failed requeued held|mesh ef gh\\n'"
        "'7|CANCELLED|None|(null)\\n'",
    )
    first, second, third = queue.entries("x")
    assert (first.job_id, first.product, first.content, first.ended) == ("5", "ab", "cd", False)
    assert second.held_by_failed_launch and not first.held_by_failed_launch and third.ended


def test_a_job_id_is_a_number(program):
    program("sbatch", "cat >/dev/null; echo 'welcome to the cluster'; echo '123;other'")
    assert queue.submit([], "#!/bin/sh\n") == "123"
    program("sbatch", "cat >/dev/null; echo '$(rm -rf /)'")
    with pytest.raises(queue.Refused, match="expected a job id"):
        queue.submit([], "#!/bin/sh\n")


SAID = """1|COMPLETED|n1|4|2|00:04.100|1000M|
1.batch|COMPLETED|n1|4|2|00:04.100||250M
1.0|COMPLETED|n1|4|2|00:00.002||100.5M
2|CANCELLED by 0|n2|90061|1|1-01:00:01|100M|
2.batch|CANCELLED|n2|90061|1|1-01:00:01||
3|PENDING|None assigned|0|1|00:00:00|100M|
4|COMPLETED|n1|9|1|00:09.000|100M|"""


def test_what_jobs_used_comes_from_sacct(program, tmp_path):
    program("sacct", f'[ "$1" = --jobs=1,2,3 ] && cat <<END\n{SAID}\nEND')
    first, second = efficiency.accounts({"1": "coarse", "2": "render/train000", "3": "mesh"})
    assert first == {
        "job": "1",
        "name": "coarse",
        "state": "COMPLETED",
        "node": "n1",
        "seconds": "4",
        "cpus": "2",
        "cpu_seconds": "4.1",
        "cpu_percent": "51.2",
        "asked_mb": "1000.0",
        "used_mb": "250.0",
        "memory_percent": "25.0",
    }
    assert [second[key] for key in ("name", "cpu_seconds", "cpu_percent", "used_mb")] == [
        "render/train000",
        "90001.0",
        "99.9",
        "",
    ]
    path = tmp_path / "logs/report.csv"
    assert (
        efficiency.write_report(path, [first]) == 1
        and efficiency.write_report(path, [{**first, "state": "FAILED"}, second]) == 2
    )
    assert [line.split(",")[:3] for line in path.read_text().splitlines()] == [
        ["job", "name", "state"],
        ["1", "coarse", "FAILED"],
        ["2", "render/train000", "CANCELLED by 0"],
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gpu: {partition: x}", "gpu: partition is unknown; expected slurm_partition"),
        ("cpu: {gres: gpu}", "cpu: gres is unknown"),
        ("- cpu", "expected the sections cpu and gpu"),
        ("cpu: main", "cpu: str is unknown"),
        ("cpu: {", "no YAML"),
    ],
)
def test_a_wrong_site_file_is_told_in_one_line(tmp_path, text, fault):
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(WorkflowError) as caught:
        read_site(tmp_path / "site.yaml")
    assert (
        fault in str(caught.value)
        and str(tmp_path / "site.yaml") in str(caught.value)
        and "\n" not in str(caught.value)
    )


def test_a_jobs_own_resources_go_before_those_of_the_site(tmp_path):
    (tmp_path / "site.yaml").write_text(
        "cpu: {slurm_partition: main, max_runtime: 100}\n"
        "gpu: {slurm_partition: big, slurm_account: us, gres: 'gpu:a100', qos: null}\n"
    )
    site = read_site(tmp_path / "site.yaml")
    asked = request(
        SimpleNamespace(
            name="mesh",
            threads=2,
            resources={"mem_mb": 5, "runtime": 240, "slurm_partition": "long"},
        ),
        site,
    )
    assert (
        dict(asked.resources) == {"mem_mb": 5, "runtime": 100, "slurm_partition": "long"}
        and asked.threads == 2
    )
    asked = request(
        SimpleNamespace(name="coarse", threads=20, resources={"gpu": 4, "runtime": 240}), site
    )
    assert dict(asked.resources) == {
        "runtime": 240,
        "slurm_partition": "big",
        "slurm_account": "us",
        "gres": "gpu:a100:4",
        "nodes": 1,
        "cpus_per_task": 5,
    }


def test_four_gpus_are_asked_for_on_one_node_with_the_threads_of_all():
    job = request(
        SimpleNamespace(name="coarse", threads=20, resources={"gpu": 4, "mem_mb": 60000}),
        read_site(None),
    )
    given = {
        "run_uuid": "hgm",
        "slurm_logfile": "log",
        "comment_str": "",
        "account": "",
        "partition": "",
        "workdir": "",
    }
    command = get_submit_command(job, given) + set_gres_string(job)
    assert {"--nodes=1", "--ntasks-per-gpu=1", "--cpus-per-task=5", "--gres=gpu:4"} <= set(
        command.split()
    ) and "--mem 60000" in command


def test_gpu_jobs_without_gres(tmp_path):
    """null leaves the option out; a site file without the key asks for gpu."""
    job = SimpleNamespace(name="coarse", threads=1, resources={"gpu": 2, "mem_mb": 5})
    for text, expected in (
        ("gpu: {gres: null, slurm_partition: big}", {"slurm_partition": "big"}),
        ("gpu: {slurm_partition: null}", {"gres": "gpu:2", "cpus_per_task": 1}),
        ("cpu: {}", {"gres": "gpu:2", "cpus_per_task": 1}),
    ):
        (tmp_path / "site.yaml").write_text(text)
        assert dict(request(job, read_site(tmp_path / "site.yaml")).resources) == {
            "mem_mb": 5,
            "nodes": 1,
            **expected,
        }


@pytest.mark.parametrize(
    ("wanted", "offered", "lacking"),
    [
        ("gpu", ["gpu:a100:4(S:0-1)", ""], None),
        ("gpu", ["gpu:8"], None),
        ("gpu:a100", ["shard:8,gpu:a100:4(S:0,1)"], None),
        ("gpu:h100", ["gpu:a100:4(S:0-1),gpu:v100:2"], "gpu:h100"),
        ("gpu", ["", "shard:8"], "gpu"),
        ("gpu", [], "gpu"),
        (None, [], None),
    ],
)
def test_a_gres_that_no_node_has(wanted, offered, lacking):
    assert lacking_gres({"cpu": {}, "gpu": {"gres": wanted}}, offered) == lacking
    assert lacking_gres({"cpu": {}, "gpu": {}}, ["gpu:2"]) is None


def test_two_jobs_are_the_same_by_what_they_make_and_what_from(tmp_path):
    (tmp_path / "in").write_text("1")

    class Params(list):
        def items(self):
            return enumerate(self)

    def made(**changes):
        parts = {
            "name": "mesh",
            "wildcards": ["full", "", "test 0"],
            "input": [tmp_path / "in"],
            "output": ["out"],
            "params": Params([{"size": 2}]),
            **changes,
        }
        return identity(SimpleNamespace(**parts))

    first = made()
    assert made() == first and str(first).split()[0] == "mesh/full/test_0"
    assert (
        made(output=["other"]).product != first.product
        and made(output=["other"]).content == first.content
    )
    assert (
        made(params=Params([{"size": 3}])).product == first.product
        and made(params=Params([{"size": 3}])).content != first.content
    )
    (tmp_path / "in").write_text("22")
    assert made().content != first.content
