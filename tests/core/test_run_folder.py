"""Places below a run, and the run around a place."""

from pathlib import Path

from hgm.core.run_folder import RunFolder


def test_a_job_is_named_by_its_log(tmp_path):
    run = RunFolder.named("logs", tmp_path)
    log = run.log("reconstruct/full/test000")
    assert RunFolder.of_log(log) == run and run.job(log) == "reconstruct/full/test000"
    assert run.jobs() == []
    record = run.job_record("reconstruct/full/test000")
    record.parent.mkdir(parents=True)
    record.touch()
    assert run.jobs() == ["reconstruct/full/test000"]


def test_the_run_around_a_result(tmp_path):
    run = RunFolder(tmp_path / "results" / "demo")
    subject = run.subjects / "full" / "0505"
    subject.mkdir(parents=True)
    assert RunFolder.around(subject) is None
    run.record.touch()
    assert RunFolder.around(subject) == RunFolder(run.path.resolve())
    assert RunFolder.around(Path("/")) is None
