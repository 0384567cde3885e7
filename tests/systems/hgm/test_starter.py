"""Networks that are passed on: exported from a run, read by `hgm reconstruct`, and the start of
trainings."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from untrained_run import write_untrained_run

from hgm.cameras import orbit
from hgm.cli import main
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.views import load_image
from hgm.nets.weights import read_tensors, save_tensors
from hgm.systems.hgm import starter
from hgm.systems.hgm.back_view.base import open_base
from hgm.systems.hgm.back_view.controlnet import open_controlnet
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.start import start_from
from hgm.systems.hgm.normals import load_normals
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.training import load_hgm
from hgm.systems.hgm.weight_export import export_weights, halved


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = write_untrained_run(tmp_path_factory.mktemp("results") / "tiny")
    record = read_json(folder / "run.json")
    record["config"]["images"] = ["private.jpg"]
    write_json(folder / "run.json", record)
    (folder / "base/history_vae.tsv").write_text("step\tloss\n1\t2\n")
    (folder / "tables").mkdir()
    (folder / "tables/nvs.csv").write_text(
        "method,subject,definition,psnr,ssim\n"
        "full,0505,standard,21.0,0.8\nfull,mean,standard,20.5,0.75\nfull,mean,person_box,9,9\n"
    )
    return folder


@pytest.fixture(scope="module")
def weights(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "weights"
    assert main(["export-weights", "--run", str(run), "--out", str(out), "--most", "40"]) == 0
    return out


@pytest.fixture
def photo(tmp_path, rendered) -> Path:
    """A photo with a body beside it."""
    file = tmp_path / "ann.png"
    Image.open(rendered[0] / "rgb_00.png").save(file)
    (tmp_path / "ann.npz").write_bytes((rendered[0] / "smplx.npz").read_bytes())
    return file


def test_exported_networks_are_the_runs_own_rounded_to_half_precision(run, weights):
    for name in ("coarse", "coarse_no_body", "fusion", "fusion_no_body"):
        stored = read_tensors(weights / name / "weights.safetensors")
        weighing = [t for n, t in stored.items() if t.is_floating_point() and "running_" not in n]
        assert {t.dtype for t in weighing} == {torch.float16}
        assert load_hgm(weights / name).config == load_hgm(run / name).config
        rounded(load_hgm(weights / name), load_hgm(run / name))
    rounded(load_normals(weights / "normals"), load_normals(run / "normals"))
    theirs, ours = open_base(run / "base"), open_base(weights / "base")
    for one, other in zip(ours.networks(), theirs.networks(), strict=True):
        rounded(one, other)
    rounded(
        open_controlnet(weights / "controlnet", ours), open_controlnet(run / "controlnet", theirs)
    )


def rounded(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """The first has the weights of the second, in float32, as half precision holds them."""
    expected = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        if tensor.is_floating_point() and "running_" not in name:
            assert tensor.dtype == torch.float32
            assert np.array_equal(tensor, np.asarray(expected[name]).astype(np.float16)), name
        else:
            assert torch.equal(tensor, expected[name])


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def digests(card: str) -> dict[str, str]:
    """SHA-256 of files by name, as a card tells them."""
    return dict(re.findall(r"^\| `([^`]+)` \| \d+ \| `([0-9a-f]{64})` \|$", card, re.M))


def test_the_folder_holds_what_is_needed_and_a_card_that_is_true(weights):
    files = {p.relative_to(weights).as_posix() for p in files_of(weights)}
    assert not [name for name in files if name.endswith(".tsv") or "standin/" in name]
    config = read_json(weights / "run.json")["config"]
    assert "images" not in config and config["run"] == "tiny"
    card = (weights / "README.md").read_text()
    told = digests(card)
    assert set(told) == files - {"README.md"}
    for name, digest in told.items():
        assert hashlib.sha256((weights / name).read_bytes()).hexdigest() == digest
    assert "| full | PSNR (dB) | 20.5 |" in card and "| full | SSIM | 0.75 |" in card
    assert "21.0" not in card and "person_box" not in card
    assert "Free stand-in humans" in card and "telling who somebody is" in card


def test_equal_runs_give_equal_bytes(run, weights, tmp_path):
    export_weights(run, tmp_path / "again")
    for path in weights.rglob("*"):
        if path.is_file():
            again = tmp_path / "again" / path.relative_to(weights)
            assert again.read_bytes() == path.read_bytes(), path


def test_a_run_without_networks_of_a_branch_exports_the_others(run, tmp_path):
    some = tmp_path / "some"
    shutil.copytree(run, some, ignore=shutil.ignore_patterns("*_no_body"))
    names = set(export_weights(some, tmp_path / "out").networks)
    assert names == {"coarse", "fusion", "normals", "base", "controlnet"}


def test_photos_need_no_run(run, weights, photo, tmp_path, monkeypatch, capsys):
    """Exported networks bring no body model; the stand-ins' own is the one that a run writes."""
    monkeypatch.setattr(starter, "starter_folder", lambda: weights)
    words = ["reconstruct", str(photo), "--device", "cpu", "--no-mesh"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    assert main([*words, "--run", str(run), "--out", str(tmp_path / "b")]) == 0
    ours, theirs = (Gaussians.load_ply(tmp_path / f / "ann/gaussians.ply") for f in "ab")
    assert len(ours) == len(theirs)
    assert torch.allclose(ours.means, theirs.means, atol=5e-3)
    a, b = (load_image(tmp_path / f / "ann/novel_00.png") for f in "ab")
    assert float((a - b).abs().max()) < 0.05
    bodies = [np.load(tmp_path / f / "ann/smplx.npz") for f in "ab"]
    assert np.abs(bodies[0]["vertices"] - bodies[1]["vertices"]).max() < 5e-3
    missing = tmp_path / "nothing"
    monkeypatch.setattr(starter, "starter_folder", lambda: missing)
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "c")]) == 1
    assert capsys.readouterr().err == (
        f"error: {missing}: this copy of hgm brings no starter weights; name the folder of a "
        "finished run instead: --run results/demo\n"
    )


def test_what_cannot_be_exported_is_one_line(run, tmp_path, capsys):
    def told(folder: Path, *more: str) -> str:
        words = ["export-weights", "--run", str(folder), "--out", str(tmp_path / "out"), *more]
        assert main(words) == 1
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    assert re.search(
        r"^error: --most: the networks of .* have \d+\.\d MB in half precision, more than 0\.5; "
        r"the largest is \w+/weights\.safetensors with 0\.\d MB; train smaller ones$",
        told(run, "--most", "0.5").strip(),
    )
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / "fusion/weights.safetensors").unlink()
    assert f"error: {half}/fusion/weights.safetensors: no such file" in told(half)
    record = read_json(half / "run.json")
    record["config"]["base"]["folder"] = "sd15"
    write_json(half / "run.json", record)
    assert "its base is the one of base.folder, sd15, which is not the run's to pass on" in told(
        half
    )
    with pytest.raises(InputError, match="x: key a holds numbers beyond those of half precision"):
        halved({"a": torch.tensor([70000.0])}, source="x")
    assert halved({"a": torch.tensor([3])}, source="x")["a"].dtype == torch.int64


@pytest.mark.skipif(
    not starter.starter_folder().is_dir(), reason="this checkout ships no starter weights"
)
def test_the_starter_weights_are_those_of_their_card_and_small():
    folder = starter.shipped_run()
    sizes = {p.relative_to(folder).as_posix(): p.stat().st_size for p in files_of(folder)}
    assert sum(sizes.values()) < 40e6
    told = digests((folder / "README.md").read_text())
    assert set(told) == set(sizes) - {"README.md"}
    for name, digest in told.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    load_hgm(folder / "coarse")
    load_hgm(folder / "fusion")


@pytest.mark.parametrize("views", [1, 2])
def test_networks_without_a_body_branch_start_as_those_that_know_no_body(tmp_path, views):
    torch.manual_seed(1)
    whole = HGM(HGMConfig.tiny(views)).eval()
    save_tensors(whole.state_dict(), tmp_path / "weights.safetensors")
    bare = HGM(HGMConfig.tiny(views, use_body=False)).eval()
    start_from(bare, tmp_path / "weights.safetensors")
    cameras = orbit(size=64)[[0, 6][:views]]
    cameras = type(cameras)(cameras.K[None], cameras.world_to_camera[None], 64, 64)
    images = torch.rand(1, views, 3, 64, 64)
    masks = torch.zeros(1, views, 1, 64, 64)
    masks[..., 10:50, 20:40] = 1
    with torch.no_grad():
        ours, theirs = (net(images, cameras, masks=masks).merged for net in (bare, whole))
    for name in ("means", "opacities", "scales", "quats", "colors"):
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), atol=1e-5), name


def test_a_start_of_other_sizes_is_one_line(tmp_path):
    save_tensors(HGM(HGMConfig.tiny()).state_dict(), tmp_path / "weights.safetensors")
    other = HGM(HGMConfig.tiny(token_channels=32))
    with pytest.raises(InputError, match=r"weights\.safetensors: key .* expected .* section netw"):
        start_from(other, tmp_path / "weights.safetensors")


def test_the_trainings_of_a_run_start_from_the_networks_that_init_names(weights, monkeypatch):
    trainings = ("coarse", "fusion", "base", "controlnet", "normals")
    plain = Plan({})
    assert plain.warm_start and not any(plain.start(name) for name in trainings)
    plan = Plan({"init": str(weights)})
    assert not plan.warm_start  # the fusion has a start of its own
    assert {name: plan.start(name) for name in trainings} == {
        **{
            name: [f"{weights}/{name}/weights.safetensors", f"{weights}/{name}/model.json"]
            for name in ("coarse", "fusion", "normals")
        },
        **{name: [f"{weights}/{name}/manifest.json"] for name in ("base", "controlnet")},
    }
    assert plan.start("coarse", "_no_body")[0] == f"{weights}/coarse_no_body/weights.safetensors"
    monkeypatch.setattr(starter, "starter_folder", lambda: weights)
    assert Plan({"init": "starter"}).start("coarse") == plan.start("coarse")
    given = Plan({"init": "starter", "base": {"folder": "sd15"}})
    assert given.start("base") == [] and given.start("controlnet")


def test_without_networks_of_a_branch_those_with_the_body_are_the_start(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "some", ignore=shutil.ignore_patterns("*_no_body"))
    plan = Plan({"init": str(tmp_path / "some")})
    assert plan.start("fusion", "_no_body")[0] == f"{tmp_path}/some/fusion/weights.safetensors"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"init": "nowhere"}, "init: nowhere: no run.json in it; expected starter, where this"),
        ({"init": " "}, "init: .* is empty; null stands for none"),
        ({"init": "{x}"}, "init: {x}: holds '{'"),
        (
            {"network": {"preset": "paper"}, "coarse": {"lgm": "lgm"}, "init": "starter"},
            r"coarse\.lgm: with init the training starts from the networks there; set init: null",
        ),
        ({"controlnet": {"tile": "tile"}, "init": "starter"}, r"controlnet\.tile: with init"),
    ],
)
def test_a_start_that_cannot_be_ends_the_planning(settings, words):
    with pytest.raises(InputError, match=f"^{words}"):
        Plan(settings)


def test_a_network_that_is_not_there_is_named_before_snakemake_misses_it(weights, tmp_path, caplog):
    shutil.copytree(weights, tmp_path / "some", ignore=shutil.ignore_patterns("normals"))
    plan = Plan({"init": str(tmp_path / "some")})
    assert len(plan.start("normals")) == 2
    assert f"init: {tmp_path}/some/normals/weights.safetensors: no such file" in caplog.text
