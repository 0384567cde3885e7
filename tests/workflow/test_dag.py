"""Snakemake's plan of a configuration: asked once, remembered, and asked anew when something that
decides it has changed."""

import pytest
from asked_anew import asked_anew

from hgm.errors import InputError
from hgm.systems.hgm.plan import Plan
from hgm.workflow import dag
from hgm.workflow.jobs import planned_jobs

FEW = {"run": "few", "scans": {"train": "0000", "val": "", "test": "0505", "chunk": 1}}


@pytest.fixture
def remembered(tmp_path, monkeypatch):
    """A cache folder of its own, which knows the jobs of FEW."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with asked_anew(dag._answer):
        planned_jobs(Plan(FEW))
    with asked_anew(dag._answer):
        yield tmp_path / "hgm/plans"


def test_an_answer_is_remembered_by_other_processes(remembered, monkeypatch):
    monkeypatch.setattr(dag, "_asked", None)
    jobs = {job.name: job for job in planned_jobs(Plan(FEW))}
    assert jobs["render/train000"].after == ("body_model", "catalogue")
    assert jobs["coarse"].outputs[0] == "coarse/weights.safetensors"
    assert jobs["standin/test000"].members == ("0505",)


@pytest.mark.parametrize("text", ["", "{", "\udc80"])
def test_a_damaged_answer_is_asked_anew(remembered, monkeypatch, text):
    [file] = remembered.iterdir()
    file.write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setattr(dag, "_asked", lambda config: [])
    assert planned_jobs(Plan(FEW)) == []


def test_what_decides_the_jobs_is_in_the_key(tmp_path):
    key = dag.key_of_plan(Plan(FEW))
    assert key == dag.key_of_plan(Plan(FEW))
    assert key != dag.key_of_plan(Plan({**FEW, "evaluate": {"variants": ["full"]}}))
    (tmp_path / "photo.png").touch()
    (tmp_path / "photo.npz").touch()
    photos = Plan({**FEW, "images": [str(tmp_path)]})
    before = dag.key_of_plan(photos)
    (tmp_path / "photo_mask.png").touch()
    assert dag.key_of_plan(Plan({**FEW, "images": [str(tmp_path)]})) != before != key


def test_what_snakemake_cannot_plan_is_one_line():
    with pytest.raises(InputError, match="Snakemake cannot plan this run: ") as caught:
        dag._asked("{}")
    assert "\n" not in str(caught.value)
