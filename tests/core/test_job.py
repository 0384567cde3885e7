"""Job records: from Snakemake, written, replayed; errors in one line."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from hgm.core.job import Job, from_snakemake, load_job
from hgm.core.locks import is_held
from hgm.core.manifests import write_json
from hgm.errors import InputError

SCRIPT = """
from hgm.errors import InputError
from hgm.core.job import Job, run
def main(job: Job) -> None:
    if job.params.get("bad"):
        raise InputError("scans.root: nothing there; set it")
    if job.params.get("broken"):
        raise RuntimeError("surprise")
    job.path("out").write_text(job.path("a").read_text() + str(job.params["n"]))
if __name__ == "__main__":
    run(main)
"""


def job(tmp_path, **params) -> Job:
    (tmp_path / "a.txt").write_text("x")
    return Job(
        "rule",
        {"a": str(tmp_path / "a.txt"), "many": [str(tmp_path / "a.txt")]},
        {"out": str(tmp_path / "out.txt")},
        {"n": 1, **params},
        {"chunk": "train000"},
        log=str(tmp_path / "log.txt"),
    )


class Named(dict):
    def items(self):
        return iter(super().items())

    def get(self, key, default=None):
        return super().get(key, default)


def test_a_snakemake_job_becomes_plain_data():
    """Of the rule that its script is called after, whatever name another workflow gives it."""
    snakemake = SimpleNamespace(
        rule="hgm_coarse",
        input=Named(views=["a", "b"], pairs="c"),
        output=Named(weights="w"),
        params=Named(coarse={"steps": 3}),
        wildcards=Named(networks=""),
        threads=2,
        resources=Named(runtime=60, mem_mb=100),
        log=["l.log"],
    )
    found = from_snakemake(snakemake, "/a b/scripts/coarse.py")
    assert found.rule == "coarse"
    assert (
        found.paths("views")[1].name == "b"
        and found.path("weights").name == "w"
        and found.paths("none") == []
    )
    assert found.seconds() == 3600 and json.dumps(found.params) == '{"coarse": {"steps": 3}}'


def test_the_key_sees_params_wildcards_and_contents(tmp_path):
    one = job(tmp_path)
    assert one.key == job(tmp_path).key != job(tmp_path, n=2).key
    before = one.key
    (tmp_path / "a.txt").write_text("y")
    assert one.key != before


def replay(tmp_path, one: Job) -> subprocess.CompletedProcess:
    from dataclasses import asdict

    (tmp_path / "rule.py").write_text(SCRIPT)
    write_json(tmp_path / "rule.job.json", asdict(one))
    return subprocess.run(
        [sys.executable, str(tmp_path / "rule.py"), str(tmp_path / "rule.job.json")],
        capture_output=True,
        text=True,
    )


def test_a_recorded_job_is_done_again(tmp_path):
    done = replay(tmp_path, job(tmp_path))
    assert done.returncode == 0 and (tmp_path / "out.txt").read_text() == "x1"


def test_a_record_from_before_a_key_says_so(tmp_path):
    params = {"network": {"preset": "tiny"}, "n": 1}
    write_json(
        tmp_path / "old.job.json", {"rule": "rule", "input": {}, "output": {}, "params": params}
    )
    params = load_job(tmp_path / "old.job.json").params
    assert params["network"]["preset"] == "tiny" and params["network"].get("other") is None
    with pytest.raises(
        InputError, match=r"old\.job\.json: holds no sparse_backend.*run the workflow"
    ):
        params["network"]["sparse_backend"]
    with pytest.raises(InputError, match="holds no device"):
        params["device"]


def test_the_log_is_locked_while_the_job_works_and_says_where(tmp_path):
    log = tmp_path / "log.txt"
    (tmp_path / "script.py").write_text(
        SCRIPT.replace(
            '    if job.params.get("bad"):',
            (
                "    import subprocess, sys\n"
                "    code = 'import sys; "
                "from hgm.core.locks import is_held; sys.exit(not is_held(sys.argv[1]))'\n"
                "    assert subprocess.run([sys.executable, '-c', code, job.log]).returncode == 0\n"
                '    if job.params.get("bad"):'
            ),
        )
    )
    write_json(tmp_path / "j.json", vars(job(tmp_path)))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "j.json")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"on \S+, process \d+\n", log.read_text()) and not is_held(log)


def test_an_error_of_the_user_is_one_line(tmp_path):
    done = replay(tmp_path, job(tmp_path, bad=True))
    assert (
        done.returncode == 1 and done.stderr.strip() == "error: scans.root: nothing there; set it"
    )
    assert (tmp_path / "log.txt").read_text().strip().splitlines()[
        -1
    ] == "error: scans.root: nothing there; set it"


def test_an_error_of_ours_keeps_its_traceback(tmp_path):
    done = replay(tmp_path, job(tmp_path, broken=True))
    assert done.returncode == 1 and "surprise" in done.stderr and "Traceback" in done.stderr


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="not a job record"):
        load_job(tmp_path / "x.json")
