"""A whole run whose first bodies come from programs: one command, from rendered views to the
comparison with the paper."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from checkouts import ROOT
from estimator_checkouts import calls, write_checkout
from test_plan import counts
from workspace import HGM, Workspace

from hgm.body.files import load_body
from hgm.workflow.jobs import planned_jobs
from hgm.workflow.status import plan_of

NOISE = 0.1  # radians about each axis of each joint
VARIANTS = ("full", "front_only", "pymafx", "pymafx_front_only")


def settings(folder: Path, views: Path) -> str:
    """Both programs, the rows of Table 6, and a photo with no body beside it."""
    pixie, pymafx = (
        write_checkout(folder / name, name, views, noise=NOISE) for name in ("pixie", "pymafx")
    )
    return (
        f"estimate: {{source: pixie, pixie: {pixie}, pymafx: {pymafx}}}\n"
        f"evaluate: {{variants: [{', '.join(VARIANTS)}]}}\n"
        f"images: [{folder / 'ann.png'}]\n"
    )


@pytest.fixture(scope="module")
def finished(calm, tmp_path_factory) -> Workspace:
    """The calm run, gone on with programs."""
    space = calm.copied_to(tmp_path_factory.mktemp("estimators") / "work")
    folder = space.folder / "programs"
    folder.mkdir()
    shutil.copyfile(space.results / "views/test000/0505/rgb_00.png", folder / "ann.png")
    (space.folder / "programs.yaml").write_text(settings(folder, space.results / "views"))
    programs = str(space.folder / "programs.yaml")
    space.run("--configfile", "config/hgm/tiny.yaml", programs, "--cores", "2", imports=HGM)
    return space


def rows(space: Workspace, table: str) -> list[dict[str, str]]:
    with open(space.results / f"tables/{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_all_twelve_numbers_of_the_papers_table_of_bodies_have_a_source(finished):
    means = {row["variant"]: row for row in rows(finished, "smplx") if row["subject"] == "mean"}
    assert list(means) == list(VARIANTS)
    ours = {
        row["row"]: row["ours"] for row in rows(finished, "paper_vs_ours") if row["table"] == "6"
    }
    assert len(ours) == 12 and all(ours.values())
    assert ours["PIXIE, initial, THuman2.0"] == means["full"]["initial_mpjpe_mm"]
    assert (
        ours["PyMAF-X, without side views, CustomHumans"] == means["pymafx_front_only"]["mpjpe_mm"]
    )
    assert 1 < float(means["full"]["initial_mpjpe_mm"]) < 200
    first = {name: float(row["initial_mpjpe_mm"]) for name, row in means.items()}
    # the stand-ins see alike
    assert first["full"] == first["front_only"] and first["pymafx"] == pytest.approx(
        first["full"], abs=0.1
    )
    assert means["full"]["mpjpe_mm"] != means["front_only"]["mpjpe_mm"]
    assert {row["verdict"] for row in rows(finished, "paper_vs_ours")} == {
        "not comparable: other data set"
    }


def test_bodies_say_whose_they_are(finished):
    sources = {
        name: str(load_body(finished.results / f"subjects/{name}/0505/smplx.npz")["source"])
        for name in VARIANTS
    }
    assert sources == {
        "full": "refined from: given: PIXIE",
        "front_only": "refined from: given: PIXIE",
        "pymafx": "refined from: given: PyMAF-X",
        "pymafx_front_only": "refined from: given: PyMAF-X",
    }


def test_each_program_was_started_for_what_was_asked(finished):
    folder = finished.folder / "programs"
    assert sorted(calls(folder / "pixie")) == ["0505", "ann"] and calls(folder / "pymafx") == [
        "0505"
    ]
    assert set(json.loads((finished.results / "photos/manifest.json").read_text())["members"]) == {
        "ann"
    }
    assert str(load_body(finished.results / "photos/ann/smplx.npz")["source"]).startswith(
        "refined from: given: "
    )


def test_the_list_of_jobs_is_that_of_the_rules(finished):
    for job in planned_jobs(plan_of(finished.results)):
        for name in (*job.outputs, f"logs/{job.name}.log", f"benchmarks/{job.name}.jsonl"):
            assert (finished.results / name).is_file(), name


def test_a_second_run_does_nothing(finished):
    again = finished.run(
        "--configfile",
        "config/hgm/tiny.yaml",
        str(finished.folder / "programs.yaml"),
        "--cores",
        "2",
    )
    assert "Nothing to be done" in again


@pytest.fixture
def asked(workspace, tmp_path) -> Path:
    shutil.copyfile(ROOT / "docs/images/demo.png", tmp_path / "ann.png")
    (tmp_path / "programs.yaml").write_text(settings(tmp_path, tmp_path))
    return tmp_path / "programs.yaml"


def test_programs_are_planned_for_each_chunk_and_for_the_photos(workspace, asked):
    found = counts(workspace.plan("--configfile", "config/hgm/tiny.yaml", str(asked)))
    assert (
        found["estimate_pixie"] == 2
        and found["estimate_pymafx"] == 1
        and found["estimate"] == 2
        and found["refine"] == 4
    )


def refusal(workspace: Workspace, *arguments: str) -> str:
    process = workspace.start("--configfile", "config/hgm/tiny.yaml", *arguments)
    output, _ = process.communicate()
    assert process.returncode != 0 and "Traceback" not in output
    return output


def test_a_run_without_its_estimator_is_refused_before_anything_is_done(workspace, asked):
    (asked.parent / "pixie/data/pixie_model.tar").unlink()
    output = refusal(workspace, str(asked), "--cores", "1")
    assert (
        output.count("configuration: estimate.pixie: ") == 1
        and "pixie_model.tar does not exist; expected the checkout" in output
    )
    assert not (workspace.results / "standin").exists()
    assert "configuration: estimate.pixie: null; PIXIE is to" in refusal(
        workspace, "--dry-run", "--config", "estimate={source: pixie}"
    )
    assert "estimate.folder: source: fits needs the folder" in refusal(
        workspace, "--dry-run", "--config", "estimate={source: fits}"
    )
    assert set(
        counts(workspace.plan("views", "--configfile", "config/hgm/tiny.yaml", str(asked)))
    ) >= {"render", "views"}


def test_a_changed_file_of_a_given_body_reruns_its_estimate(calm, tmp_path):
    space = calm.copied_to(tmp_path / "work")
    given = space.folder / "given/0505"
    given.mkdir(parents=True)
    shutil.copyfile(space.results / "views/test000/0505/smplx.npz", given / "smplx.npz")
    options = (
        "--configfile",
        "config/hgm/tiny.yaml",
        "--cores",
        "1",
        "--config",
        f"estimate={{source: fits, folder: {given.parent}}}",
    )
    first = space.results / "bodies/estimated/test000.json"
    # before the options, of which --config takes all that follows
    target = str(first.relative_to(space.folder))
    space.run(target, *options)
    assert "Nothing to be done" in space.run(target, *options)
    before = first.read_text()
    shutil.copyfile(space.results / "subjects/full/0505/smplx.npz", given / "smplx.npz")
    space.run(target, *options)
    assert first.read_text() != before
