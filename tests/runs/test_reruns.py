"""What would run again on a run that looks finished, for each kind of change: all that matters and
nothing else.

The run is made of stand-ins for its files, taken for finished by Snakemake itself (`--touch`). The
checkout is a copy, so that its files can be changed.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import WORKFLOW, copy_checkout
from planner import Planner
from workspace import Workspace

PRESET = "config/hgm/tiny.yaml"
# what follows from a rule, itself included
AFTER = {
    "report": {"report"},
    "evaluate": {"evaluate", "report"},
    "mesh": {"mesh", "evaluate", "report"},
    "normals": {"normals", "mesh", "evaluate", "report"},
    "reconstruct": {"reconstruct", "mesh", "evaluate", "report"},
}
AFTER["refine"] = {"refine"} | AFTER["reconstruct"]
AFTER["estimate"] = {"estimate"} | AFTER["refine"]
AFTER["fusion"] = {"fusion"} | AFTER["reconstruct"]
AFTER["controlnet"] = {"controlnet"} | AFTER["reconstruct"]
AFTER["base"] = {"base"} | AFTER["controlnet"]
AFTER["pairs"] = {"pairs"} | AFTER["controlnet"] | AFTER["fusion"]
AFTER["coarse"] = {"coarse"} | AFTER["pairs"] | AFTER["refine"]
LEARNING = AFTER["coarse"] | AFTER["base"] | AFTER["normals"]
AFTER["render"] = {"render"} | LEARNING | AFTER["estimate"]
AFTER["catalogue"] = {"catalogue"} | AFTER["render"]
AFTER["standin"] = {"standin"} | AFTER["catalogue"]


@pytest.fixture(scope="module")
def planner(tmp_path_factory) -> Iterator[Planner]:
    folder = tmp_path_factory.mktemp("reruns")
    checkout = copy_checkout(folder / "checkout", WORKFLOW)
    made = Planner(Workspace(folder / "work", checkout))
    finish(made, "--configfile", PRESET, "--cores", "1")
    yield made
    made.end()


def finish(planner: Planner, *options: str) -> None:
    """Make a run look finished."""
    files = [
        line.split("\t")[0]
        for line in planner.output(*options, "--summary").splitlines()
        if line.startswith("results/")
    ]
    for name in files:
        path = planner.space.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    planner.output(*options, "--touch", "--forceall")


@pytest.fixture
def planned(planner):
    """What would run with changes of the configuration."""

    def ask(changes: str = "") -> set[str]:
        (planner.space.folder / "changes.yaml").write_text(changes or "{}")
        return planner.rules(
            "--configfile", PRESET, str(planner.space.folder / "changes.yaml"), "--cores", "1"
        )

    return ask


@pytest.fixture
def edit(planner):
    """Change a file of the checkout or of the run for one test; its times come back too."""
    before: dict[Path, tuple[bytes, os.stat_result]] = {}

    def change(name: str, old: str, new: str) -> None:
        path = next(
            p for p in (planner.space.folder / name, planner.space.root / name) if p.exists()
        )
        before.setdefault(path, (path.read_bytes(), path.stat()))
        text = path.read_text()
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, 1))
        os.utime(path, (time.time() + 60,) * 2)

    yield change
    for path, (content, stat) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_finished_run_has_nothing_to_do(planned):
    assert planned() == set()


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ("mesh: {cameras: 9}", "mesh"),
        ("fusion: {steps: 7}", "fusion"),
        ("controlnet: {lr: 0.5}", "controlnet"),
        ("refine: {front: 1.0}", "refine"),
        ("scans: {texture: 512}", "standin"),
    ],
)
def test_a_number_reruns_its_stage_and_what_follows(planned, changes, first):
    # the record and the report have the whole configuration
    assert planned(changes) == AFTER[first] | {"record", "report"}


def test_another_coarse_model_leaves_a_fusion_that_does_not_read_it(planner):
    apart = planner.space.folder / "apart.yaml"
    apart.write_text("run: apart\nfusion: {warm_start: false, back_share: 0.0}\n")
    longer = planner.space.folder / "longer.yaml"
    longer.write_text("coarse: {steps: 7}\n")
    finish(planner, "--configfile", PRESET, str(apart), "--cores", "1")
    found = planner.rules("--configfile", PRESET, str(apart), str(longer), "--cores", "1")
    assert found == AFTER["coarse"] - {"fusion"} | {"record", "report"}


def test_a_touched_input_reruns_nothing_and_an_edited_one_its_readers(planned, edit):
    manifest = "results/tiny/views/train000/manifest.json"
    edit(manifest, "{}", "{}")
    assert planned() == set()
    edit(manifest, "{}", '{"members": {}}')
    assert planned() == LEARNING


def test_an_edited_product_reruns_what_reads_it(planned, edit):
    edit("results/tiny/bodies/refined/test000.json", "{}", '{"a": 1}')
    assert planned() == AFTER["reconstruct"]


def test_resources_of_the_report_rerun_only_the_report(planned, edit):
    edit("resources/paper/hgm.yaml", "\n", "\n# another remark\n")
    edit("hgm/report/templates/style.css", "{", "{ ")
    assert planned() == {"report"}


def test_the_reports_viewer_reruns_only_the_report(planned, planner):
    path = planner.space.root / "hgm/report/web/dist/viewer.js"
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text("built anew")
    try:
        assert planned() == {"report"}
        path.unlink()
        assert planned() == (set() if before is None else {"report"})
    finally:
        if before is not None:
            path.write_bytes(before)


def test_comments_docstrings_and_layout_rerun_nothing(planned, edit):
    edit("hgm/mesh/extraction.py", '"""', '"""Reworded. ')
    edit("hgm/train/loop.py", "import copy\n", "# a remark\n\nimport copy\n")
    edit("scripts/hgm/refine.py", '"""', '"""Reworded. ')
    edit("rules/hgm.smk", '    """Fuse', '    # a remark\n    """Reworded: fuse')
    assert planned() == set()


def test_code_reruns_the_stages_that_run_it(planned, edit):
    edit(
        "hgm/mesh/extraction.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\nCHANGED = 1\n",
    )
    found = planned()
    assert {"mesh", "evaluate", "report"} <= found and not {
        "coarse",
        "fusion",
        "controlnet",
        "render",
        "standin",
    } & found


def test_a_script_reruns_its_rule(planned, edit):
    edit("scripts/hgm/refine.py", "def main(", "CHANGED = 1\n\n\ndef main(")
    assert planned() == AFTER["refine"]


def test_resources_profiles_and_commands_rerun_nothing(planned, edit):
    edit("rules/hgm.smk", 'growing(plan.memory("mesh"))', "growing(5000)")
    edit("hgm/systems/hgm/requests.py", "MESHING = 3000", "MESHING = 3001")
    edit("rules/hgm.smk", "runtime=1440", "runtime=2880")
    edit("profiles/default/profile.yaml", "scheduler: greedy", "scheduler: greedy\nretries: 1")
    edit("hgm/workflow/status.py", "SHOWN = ", "CHANGED = 1\nSHOWN = ")
    edit("hgm/cli/__init__.py", "def main(", "CHANGED = 1\n\n\ndef main(")
    assert planned() == set()


def test_environments_count_only_where_they_are_used(planned, edit):
    """Without --software-deployment-method every job runs in the environment of Snakemake
    itself."""
    edit("envs/mesh.yaml", "torch==", "torch==9.")
    assert planned() == set()


def test_pruned_stand_ins_are_made_again_only_when_the_catalogue_is(planned, planner):
    another = "scans: {gender: female}"
    assert planned(another) == AFTER["catalogue"] | AFTER["estimate"] | {"record"}
    manifest = planner.space.folder / "results/tiny/standin/train000.json"
    content = manifest.read_bytes()
    stat = manifest.stat()
    manifest.unlink()
    try:
        assert planned() == set() and planned("mesh: {cameras: 9}") == AFTER["mesh"] | {"record"}
        assert planned(another) == AFTER["standin"] | {"record"}
    finally:
        manifest.write_bytes(content)
        os.utime(manifest, ns=(stat.st_atime_ns, stat.st_mtime_ns))
