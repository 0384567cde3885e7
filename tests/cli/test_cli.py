"""The command line: help, examples, one line on failure."""

import subprocess
import sys

import pytest

from hgm.cli import main, parser
from hgm.core.checkout import ROOT


def test_every_verb_has_help_with_an_example(capsys):
    verbs = next(a for a in parser()._actions if a.dest == "verb").choices
    assert {"reconstruct", "standin", "replay", "config"} <= set(verbs)
    for name in verbs:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0 and f"example: hgm {name}" in " ".join(
            capsys.readouterr().out.split()
        )


def test_help_imports_nothing_heavy():
    code = (
        "import sys, hgm.cli; hgm.cli.parser(); print(sorted({'torch', 'numpy', 'pydantic', "
        "'bpy'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize("place", ["nothing.job.json", "a folder"])
def test_what_is_no_job_record_is_not_to_be_deleted(tmp_path, capsys, place):
    """The folder may be a whole run."""
    (tmp_path / "a folder").mkdir()
    assert main(["replay", str(tmp_path / place)]) == 1
    error = capsys.readouterr().err
    assert (
        error
        == f"error: {tmp_path / place}: no such file; expected a .job.json beside a job's log, "
        "below results/<run>/logs\n"
    )


def test_a_file_is_checked_on_top_of_those_before_it(tmp_path, capsys):
    """As a run reads them: `fewer.yaml` of docs/training.md is fine on top of the paper's preset,
    and on top of the demo it is not."""
    (tmp_path / "fewer.yaml").write_text("coarse: {gpus: 2}\nfusion: {gpus: 2}\n")
    preset = str(ROOT / "config/hgm/thuman2.yaml")
    fewer = str(tmp_path / "fewer.yaml")
    assert (
        main(["config", "--check", preset, fewer]) == 0
        and capsys.readouterr().out == f"{preset}, {fewer}: fine, a configuration of system hgm\n"
    )
    assert main(["config", "--check", fewer]) == 1
    assert capsys.readouterr().err.startswith(
        "error: coarse.gpus: 2 processes cannot share 1 micro-batches evenly"
    )


@pytest.mark.parametrize("pause", ["0", "-1", "nan", "inf"])
def test_a_pause_that_is_none_is_one_line(capsys, pause):
    assert main(["status", "--watch", "--every", pause]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: --every: {float(pause):g}; expected seconds, more than 0"
    )


def test_a_failure_is_one_line(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("coarse: {step: 1}")
    assert main(["config", "--check", str(tmp_path / "x.yaml")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: coarse.step: unknown key") and error.count("\n") == 1
    assert main(["reconstruct", "a.png", "--run", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "run.json" in capsys.readouterr().err
