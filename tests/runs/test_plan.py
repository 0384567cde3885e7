"""What is planned, without running it."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from checkouts import ROOT

from hgm.errors import InputError
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.report.run import Run
from hgm.workflow.configuration import load
from hgm.workflow.jobs import planned_jobs


def counts(output: str) -> dict[str, int]:
    lines = output.split("Job stats:")[-1].splitlines()
    rows = [line.split() for line in lines if len(line.split()) == 2 and line.split()[1].isdigit()]
    return {name: int(number) for name, number in rows}


def test_the_tiny_preset_plans_every_rule(workspace):
    found = counts(workspace.plan("--configfile", "config/hgm/tiny.yaml"))
    assert found == {
        "body_model": 1,
        "standin": 3,
        "catalogue": 1,
        "render": 3,
        "coarse": 2,
        "base": 1,
        "pairs": 1,
        "controlnet": 1,
        "normals": 1,
        "fusion": 2,
        "estimate": 1,
        "refine": 1,
        "reconstruct": 2,
        "mesh": 2,
        "evaluate": 2,
        "record": 1,
        "report": 1,
        "all": 1,
        "total": 27,
    }
    assert planned("config/hgm/tiny.yaml") == found


def planned(preset: str | Path) -> dict[str, int]:
    """The same counts from hgm.workflow.jobs."""
    rules = Counter(
        job.rule for job in planned_jobs(Plan(load(ROOT / preset).model_dump(mode="json")))
    )
    return {**rules, "all": 1, "total": rules.total() + 1}


def test_variants_share_what_they_do_not_change(workspace):
    found = counts(workspace.plan("--config", "evaluate={variants: [full, no_diffusion]}"))
    assert found["coarse"] == found["fusion"] == 1 and found["reconstruct"] == 2


@pytest.mark.parametrize(
    ("variants", "main"),
    [
        (["no_body", "full"], "full"),
        (["no_body", "no_refine"], "no_refine"),
        ([], None),
    ],
)
def test_the_simple_baselines_belong_to_the_variant_of_the_report(variants, main, tmp_path):
    """They are the same beside every variant, or nearly, and are measured once."""
    assert Plan({"evaluate": {"variants": variants}}).main_variant == main
    for name in variants:
        path = tmp_path / "subjects" / name / "0505" / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text('{"standin": true}')
    assert [s.variant for s in Run(tmp_path, {}).main] == ([main] if main else [])


def test_other_methods_are_measured_beside_ours(workspace):
    """Their files are inputs; with them nothing of ours is measured again, so the number of our
    jobs stays."""
    folder = workspace.folder / "theirs" / "0505"
    folder.mkdir(parents=True)
    (folder / "mesh.obj").write_text("v 0 0 0\n")
    found = counts(
        workspace.plan("--config", "evaluate={variants: [full], baselines: {sith: theirs}}")
    )
    assert found["baseline"] == 1 and found["evaluate"] == 1
    plan = Plan({"evaluate": {"baselines": {"sith": str(folder.parent)}}})
    assert plan.baseline_files("sith", "test000") == [str(folder / "mesh.obj")]
    assert plan.measuring == Plan({}).measuring


def test_a_wrong_key_ends_the_planning_with_one_line(workspace):
    process = workspace.start("--dry-run", "--config", "coarse={step: 3}")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "configuration: coarse.step: unknown key" in output and "Traceback" not in output


def test_a_named_gpu_that_is_lacking_ends_a_run_before_anything_runs(
    workspace, tmp_path, monkeypatch
):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho No devices found.\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    named = ("--configfile", "config/hgm/tiny.yaml", "--cores", "1", "--config", "device=cuda")
    process = workspace.start(*named)
    output, _ = process.communicate()
    assert process.returncode != 0 and not (workspace.folder / "results").exists()
    assert (
        "device: cuda needs 1 NVIDIA GPU, this machine has 0; use device: auto or cpu" in output
        and "Traceback" not in output
    )
    workspace.run(*named, "--", "results/tiny/run.json")  # a job that needs none
    assert (workspace.folder / "results/tiny/run.json").is_file()


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ("warm_start: true, back_share: 0.5", {"coarse", "pairs"}),
        ("warm_start: true, back_share: 0.0", {"coarse"}),
        # the pairs are the coarse model's
        (
            "warm_start: false, back_share: 0.5",
            {"coarse", "pairs"},
        ),
        ("warm_start: false, back_share: 0.0", set()),
    ],
)
def test_fusion_waits_for_what_it_reads(workspace, tmp_path, settings, needed):
    (tmp_path / "fusion.yaml").write_text(f"fusion: {{{settings}}}\n")
    found = counts(
        workspace.plan(
            "results/demo/fusion/weights.safetensors",
            "--configfile",
            str(tmp_path / "fusion.yaml"),
        )
    )
    assert (
        set(found) == {"body_model", "standin", "catalogue", "render", "fusion", "total"} | needed
    )


def test_a_training_that_starts_from_given_networks_reads_them(workspace, tmp_path):
    given = tmp_path / "given"
    for name in ("run.json", "fusion/weights.safetensors", "fusion/model.json"):
        (given / name).parent.mkdir(exist_ok=True, parents=True)
        (given / name).write_text("{}")
    words = ["init: " + str(given), "fusion: {back_share: 0.0}"]
    (tmp_path / "start.yaml").write_text("\n".join(words))
    file = ("--configfile", str(tmp_path / "start.yaml"))
    target = "results/demo/fusion/weights.safetensors"
    found = counts(workspace.plan(target, *file))  # no coarse networks, though warm_start is on
    assert set(found) == {"body_model", "standin", "catalogue", "render", "fusion", "total"}
    (given / "fusion/weights.safetensors").unlink()
    process = workspace.start(target, *file, "--dry-run")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert f"init: {given}/fusion/weights.safetensors: no such file" in output


def test_fusion_starts_from_one_set_of_weights():
    with pytest.raises(
        InputError,
        match=r"^fusion\.lgm: .*; set fusion\.warm_start: false, or leave fusion\.lgm out$",
    ):
        Plan({"network": {"preset": "paper"}, "fusion": {"lgm": "lgm.safetensors"}})
    apart = {
        "network": {"preset": "paper"},
        "fusion": {"lgm": "lgm.safetensors", "warm_start": False},
    }
    assert Plan(apart).config["fusion"]["lgm"] == "lgm.safetensors"


def test_named_targets(workspace):
    assert set(counts(workspace.plan("views"))) == {
        "body_model",
        "standin",
        "catalogue",
        "render",
        "views",
        "total",
    }


def test_photos_of_the_configuration_are_one_more_job(workspace, tmp_path):
    for name in ("a.png", "a.npz", "b.jpg", "b.npz", "b_mask.png"):
        (tmp_path / name).touch()
    found = counts(
        workspace.plan("--configfile", "config/hgm/tiny.yaml", "--config", f"images=[{tmp_path}]")
    )
    assert found["photos"] == 1 and found["total"] == 28
    without_body = ("--config", f"images=[{tmp_path / 'b.jpg'}]", "evaluate={variants: [no_body]}")
    only = counts(workspace.plan("results/demo/photos/manifest.json", *without_body))
    # coarse: of the pairs, and its own
    assert only["coarse"] == 2 and only["fusion"] == only["controlnet"] == only["photos"] == 1
    assert not {"normals", "estimate", "refine", "reconstruct", "mesh"} & set(only)


def test_normals_of_icon_take_the_place_of_the_trained_net(workspace, tmp_path):
    for name in ("a.png", "a.npz", "normal.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / "icon.yaml").write_text(
        f"normals: {{icon: {tmp_path / 'normal.ckpt'}}}\nimages: [{tmp_path / 'a.png'}]\n"
    )
    found = counts(
        workspace.plan("--configfile", "config/hgm/tiny.yaml", str(tmp_path / "icon.yaml"))
    )
    assert found["photos"] == 1 and found["mesh"] == 2 and "normals" not in found
    assert (
        "normals" not in planned(tmp_path / "icon.yaml")
        and planned("config/hgm/tiny.yaml")["normals"] == 1
    )


def test_photos_that_cannot_be_planned(tmp_path):
    (tmp_path / "a.png").touch()
    plan = Plan({"images": [str(tmp_path)]})  # a photo without a body is looked at for landmarks
    assert [photo.name for photo in plan.photos] == ["a"] and not plan.photos_to_estimate
    for name in ("a.npz", "a_mask.png"):
        (tmp_path / name).touch()
    assert [f.name for photo in Plan({"images": [str(tmp_path)]}).photos for f in photo.files] == [
        "a.png",
        "a_mask.png",
        "a.npz",
    ]
    with pytest.raises(InputError, match=r"images: .*gone\.png: no such file or folder"):
        Plan({"images": [str(tmp_path / "gone.png")]})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"images: .*empty: no photo in this folder"):
        Plan({"images": [str(tmp_path / "empty")]})


def test_members_and_chunks_of_a_plan():
    plan = Plan({"scans": {"train": "0-4", "val": "", "test": "10", "chunk": 2}})
    assert plan.chunks == ["train000", "train001", "train002", "test000"]
    assert plan.members("train001") == ["0002", "0003"] and plan.test_chunks == ["test000"]
    with pytest.raises(InputError, match=r"scans\.test"):
        Plan({"scans": {"test": "x"}})


def test_the_snakefile_needs_no_heavy_import():
    code = (
        "import sys; from hgm.systems.hgm.plan import Plan; Plan({}); print(sorted({'torch', "
        "'numpy', 'bpy', 'open3d'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.strip()
        == "[]"
    )
