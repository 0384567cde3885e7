"""The paper's preset on files of the right names: what is planned and asked for, and what the
doctor says when one is gone."""

from pathlib import Path

import pytest
from asked import asked
from checkouts import ROOT
from test_plan import counts, planned
from workspace import Workspace

from hgm.body.estimators.programs import PYMAFX
from hgm.cli import main
from hgm.workflow.configuration import load
from hgm.workflow.doctor.entries import load_assets

PRESET = "config/hgm/thuman2.yaml"
SCANS = 526


@pytest.fixture
def furnished(workspace: Workspace) -> Workspace:
    """Empty files wherever the list of assets says that the preset looks for one."""
    preset = load(ROOT / PRESET)
    ids = [f"{i:04d}" for i in range(SCANS)]
    for asset in load_assets():
        if asset.needed(preset):
            place = workspace.folder / str(asset.path(preset))
            single = asset.free and asset.folder is None
            patterns = [""] if single else [f.path for f in asset.files] or asset.layout
            for pattern in patterns:
                for name in ids if "<id>" in pattern else ids[:1]:
                    path = place / pattern.replace("<id>", name).replace("<GENDER>", "NEUTRAL")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
    python = workspace.folder / "assets/PIXIE/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    return workspace


def test_the_preset_plans_every_rule_but_the_stand_ins(furnished):
    found = counts(furnished.plan("--configfile", PRESET))
    assert found == {
        "catalogue": 1,
        "render": 20 + 1 + 1,
        "coarse": 2,
        "base": 1,
        "pairs": 1,
        "controlnet": 1,
        "normals": 1,
        "fusion": 2,
        "estimate_pixie": 1,
        "estimate": 1,
        "refine": 2,
        "reconstruct": 6,
        "mesh": 6,
        "evaluate": 6,
        "record": 1,
        "report": 1,
        "all": 1,
        "total": 56,
    }
    assert planned(PRESET) == found


def test_the_two_trainings_wait_for_the_renders_only(furnished):
    """Fusion reads neither the coarse weights nor the pairs, as in the paper."""
    found = counts(
        furnished.plan("results/thuman2/fusion/weights.safetensors", "--configfile", PRESET)
    )
    assert set(found) == {"catalogue", "render", "fusion", "total"}


def test_customhumans_goes_on_top(furnished):
    """The same training, two chunks of other test scans."""
    ids = furnished.folder / "data" / "customhumans_test.txt"
    ids.write_text("\n".join(f"{i:04d}" for i in range(45)))
    found = counts(furnished.plan("--configfile", PRESET, "config/hgm/customhumans.yaml"))
    assert (
        found["render"] == 20 + 1 + 2
        and found["coarse"] == 2
        and found["estimate"] == found["estimate_pixie"] == 2
    )
    assert found["evaluate"] == 12


def test_humman_goes_on_top(furnished):
    """Table 2: the networks of the variant that it has, and SHERF's sequences in one chunk."""
    found = counts(furnished.plan("--configfile", PRESET, "config/hgm/humman.yaml"))
    assert (
        found["render"] == 20 + 1 + 1
        and found["coarse"] == found["fusion"] == found["normals"] == 1
    )
    assert (
        found["estimate_pixie"]
        == found["refine"]
        == found["reconstruct"]
        == found["mesh"]
        == found["evaluate"]
        == 1
    )


def test_pymafx_goes_on_top(furnished):
    checkout = furnished.folder / "assets/PyMAF-X"
    for name in (*PYMAFX.needs, ".venv/bin/python"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    found = counts(furnished.plan("--configfile", PRESET, "config/hgm/pymafx.yaml"))
    assert (
        found["estimate_pixie"] == found["estimate_pymafx"] == 1
        and found["estimate"] == 2
        and found["refine"] == 4
    )
    assert found["coarse"] == 2 and found["evaluate"] == 8


def test_four_gpus_are_asked_for_with_the_memory_and_threads_of_four(furnished, tmp_path):
    (tmp_path / "fewer.yaml").write_text("fusion: {gpus: 1}\n")
    found = asked(furnished, furnished.folder / PRESET, tmp_path / "fewer.yaml")
    assert (found["coarse"].threads, found["coarse"].gpus) == (20, 4) and found[
        "coarse"
    ].memory > 50_000
    assert (found["fusion"].threads, found["fusion"].gpus) == (5, 1) and 18_000 < found[
        "fusion"
    ].memory < 28_000
    assert {
        found[rule].gpus
        for rule in ("mesh", "pairs", "refine", "normals", "controlnet", "reconstruct")
    } == {1}
    # Stable Diffusion is linked, not trained
    assert {found[rule].gpus for rule in ("base", "render", "estimate", "evaluate")} == {0}


def test_the_demo_on_a_cpu_asks_for_no_gpu(workspace, tmp_path):
    (tmp_path / "cpu.yaml").write_text("device: cpu\n")
    found = asked(workspace, tmp_path / "cpu.yaml")
    assert {(job.threads, job.gpus) for job in found.values()} == {(1, 0)}
    assert max(job.memory for job in found.values()) <= 4000


def rows(furnished: Workspace, capsys) -> dict[str, str]:
    assert main(["doctor", "--configfile", PRESET]) == 1
    return {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}


def test_the_doctor_names_what_is_gone(furnished, monkeypatch, capsys):
    monkeypatch.chdir(furnished.folder)
    before = rows(furnished, capsys)
    assert (
        "lack a file" not in before["THuman2.0 scans"]
        and "526 of 526 scans are damaged" in before["THuman2.0 scans"]
    )
    assert " damaged " in before["VGG-16"] and " damaged " in before["Stable Diffusion 1.5"]
    for path in (
        "data/THuman2.0/THuman2.0_Release/0321/0321.obj",
        "data/THuman2.0/THuman2.0_Smpl_X_Paras/0007/smplx_param.pkl",
        "assets/PIXIE/data/pixie_model.tar",
        "assets/vgg16-397923af.pth",
        "assets/control_v11f1e_sd15_tile/config.json",
        "data/models/smplx/SMPLX_NEUTRAL.npz",
    ):
        Path(path).unlink()
    after = rows(furnished, capsys)
    for title, words in (
        ("THuman2.0 scans", "1 of 526 scans lack a file (0321)"),
        ("THuman2.0 SMPL-X fits", "lack a file (0007)"),
        ("VGG-16", "assets/vgg16-397923af.pth does not exist"),
        ("ControlNet-tile", "config.json does not exist"),
        ("PIXIE", "estimate.pixie: "),
        ("PIXIE", "data/pixie_model.tar does not exist"),
        ("SMPL-X model", "SMPLX_NEUTRAL.npz does not exist"),
    ):
        assert " missing " in after[title] and words in after[title], title
