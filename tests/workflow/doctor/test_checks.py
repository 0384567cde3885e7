"""Each check finds what is wrong in a folder that is right but for one thing."""

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from estimator_checkouts import write_checkout
from safetensors.torch import save_file

from hgm.body.estimators.programs import PROGRAMS
from hgm.body.parameters import BodyParameters
from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.metrics.lpips import STAGES
from hgm.systems.hgm import doctor
from hgm.systems.hgm.settings import Config
from hgm.workflow.configuration import parse
from hgm.workflow.doctor import checks
from hgm.workflow.doctor.checks import check
from hgm.workflow.doctor.diffusers_folders import open_weights
from hgm.workflow.doctor.entries import Asset, AssetFile

SCANS = "THuman2.0_Release"
FITS = "THuman2.0_Smpl_X_Paras"


def looked(asset: Asset, config: Config) -> tuple[str, str]:
    found = check(asset, config)
    assert "\n" not in found.note
    return found.state, found.note


def with_config(config: Config, **sections) -> Config:
    data = config.model_dump()
    for name, values in sections.items():
        data[name].update(values)
    return parse(data)


def test_a_whole_data_set(listed, config):
    assert looked(listed["scans"], config) == ("present", "3 scans")
    assert looked(listed["fits"], config) == ("intact", "3 fits")


def test_only_configured_scans_count(listed, config, data):
    (data / SCANS / "0001" / "0001.obj").unlink()
    assert looked(listed["scans"], with_config(config, scans={"train": "0000"}))[0] == "present"


@pytest.mark.parametrize("gone", ["0001.obj", "material0.mtl", "material0.jpeg"])
def test_a_missing_file_of_a_scan_is_named(listed, config, data, gone):
    (data / SCANS / "0001" / gone).unlink()
    state, note = looked(listed["scans"], config)
    assert state == ("damaged" if gone.endswith("jpeg") else "missing")
    assert "1 of 3 scans" in note and "(0001)" in note and f"0001/{gone}" in note


def test_missing_and_damaged_are_counted_apart(listed, config, data):
    (data / SCANS / "0000" / "0000.obj").unlink()
    texture = data / SCANS / "0001" / "material0.jpeg"
    texture.write_bytes(texture.read_bytes()[:-100])
    (data / SCANS / "0002" / "0002.obj").write_bytes(b"")
    state, note = looked(listed["scans"], config)
    assert (
        state == "missing"
        and "1 of 3 scans lack a file (0000)" in note
        and "2 of 3 scans are damaged (0001, 0002)" in note
    )
    assert "no end marker" in note and listed["scans"].get in note


def test_a_folder_without_scans(listed, config, tmp_path):
    (tmp_path / "empty").mkdir()
    state, note = looked(
        listed["scans"], with_config(config, scans={"root": str(tmp_path / "empty")})
    )
    assert state == "missing" and "no scans" in note


def test_no_path_and_no_folder(listed, config, tmp_path):
    assert looked(listed["scans"], with_config(config, scans={"root": None}))[1].startswith(
        "scans.root is null; get it: "
    )
    state, note = looked(
        listed["fits"], with_config(config, scans={"root": str(tmp_path / "nowhere")})
    )
    assert state == "missing" and f"scans.root: {tmp_path}/nowhere does not exist" in note


def test_fits_are_read(listed, config, data):
    fit = data / FITS / "0001" / "smplx_param.pkl"
    fit.write_bytes(fit.read_bytes()[:200])
    (data / FITS / "0002" / "smplx_param.pkl").unlink()
    state, note = looked(listed["fits"], config)
    assert (
        state == "missing"
        and "1 of 3 fits lack a file (0002)" in note
        and "1 of 3 fits are damaged (0001)" in note
    )
    fit.write_bytes(pickle.dumps({"betas": np.zeros((1, 10))}))
    assert "the key expression is missing" in looked(listed["fits"], config)[1]


def test_fits_of_another_model_are_told(listed, config):
    own = with_config(config, scans={"gender": "neutral"})
    state, note = looked(listed["fits"], own)
    assert state == "damaged" and "set scans.gender to male" in note, note


def test_links_that_go_round(listed, config, data):
    """A loop is a missing file, at every level."""
    obj = data / SCANS / "0001" / "0001.obj"
    obj.unlink()
    obj.symlink_to(obj)
    assert "(0001)" in looked(listed["scans"], config)[1]
    loop = data / "loop"
    loop.symlink_to(loop)
    for name, section in (("scans", {"root": str(loop)}), ("body_model", {"models": str(loop)})):
        state, note = looked(listed[name], with_config(config, scans=section))
        assert state == "missing" and "does not exist" in note


def test_what_may_not_be_read_is_one_line(listed, config, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checks, "check_texture", refuse)
    state, note = looked(listed["scans"], config)
    assert (
        state == "damaged"
        and "3 of 3" in note
        and "material0.jpeg: cannot be read (Permission denied)" in note
    )
    monkeypatch.setattr(checks, "scan_folder", refuse)
    assert looked(listed["scans"], config)[1].endswith("cannot be read (Permission denied)")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_without_permission(listed, config, data):
    (data / SCANS / "0001").chmod(0)
    assert "Permission denied" in looked(listed["scans"], config)[1]
    (data / SCANS / "0001").chmod(0o755)


def mark(folder: Path) -> None:
    (folder / "STANDIN").touch()


def test_body_models(listed, config, data):
    asset = listed["body_model"]
    file = data / "models/smplx/SMPLX_MALE.npz"
    assert looked(asset, config)[0] == "intact"
    mark(data / "models")
    state, note = looked(asset, config)
    assert state == "damaged" and "stand-in body model" in note
    mark(data)  # scans that are stand-ins themselves
    assert looked(asset, config)[0] == "intact"
    assert (
        "SMPLX_NEUTRAL.npz does not exist"
        in looked(asset, with_config(config, scans={"gender": "neutral"}))[1]
    )
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert looked(asset, config)[0] == "damaged"
    np.savez(file, v_template=np.zeros((10475, 3)))
    assert looked(asset, config) == (
        "damaged",
        f"{file}: the key f is missing; expected a SMPL-X model as npz",
    )


def test_first_estimates(listed, config, tmp_path):
    own = with_config(config, estimate={"source": "fits", "folder": str(tmp_path)})
    assert "0002/smplx.npz" in looked(listed["estimates"], own)[1]
    BodyParameters.zeros().save_npz(tmp_path / "0002/smplx.npz")
    assert looked(listed["estimates"], own) == ("present", "1 test subjects")
    (tmp_path / "0002/smplx.npz").write_bytes(b"PK\x03\x04 cut")
    state, note = looked(listed["estimates"], own)
    assert state == "damaged" and "0002" in note and "not a readable npz" in note


@pytest.mark.parametrize("name", ["pixie", "pymafx"])
def test_estimators(listed, config, tmp_path, name):
    checkout = write_checkout(tmp_path / "checkout", name, tmp_path)
    own = with_config(config, estimate={"source": name, name: str(checkout)})
    state, note = looked(listed[name], own)
    assert state == "present" and note.startswith(f"Python {sys.version_info[0]}.")
    weights = checkout / PROGRAMS[name].needs[1]
    weights.write_bytes(b"\n<!DOCTYPE html><html>please log in")
    state, note = looked(listed[name], own)
    assert state == "damaged" and f"{weights}: empty, or a web page" in note
    weights.unlink()
    state, note = looked(listed[name], own)
    assert state == "missing" and f"{weights} does not exist" in note
    weights.write_bytes(b"PK")
    (checkout / ".venv/bin/python").write_text("#!/bin/sh\nexit 3\n")
    state, note = looked(listed[name], own)
    assert state == "damaged" and f"estimate.{name}_python" in note and "status 3" in note
    (checkout / ".venv/bin/python").unlink()
    assert looked(listed[name], own)[0] == "missing"


def test_disturbed_bodies_of_real_scans_are_told(config):
    told = [f for f in doctor.findings(config) if "nothing is compared with the paper" in f.note]
    assert len(told) == 1 and not told[0].fault
    assert (
        doctor.findings(parse({}))
        == doctor.findings(with_config(config, estimate={"source": "pixie"}))
        == []
    )


PARTS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}


@pytest.fixture
def base(tmp_path) -> Path:
    """The least folder that looks like Stable Diffusion 1.5."""
    folder = tmp_path / "stable diffusion"
    for part in (*PARTS, "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    for part, kind in PARTS.items():
        (folder / part / "config.json").write_text(
            json.dumps({"_class_name": kind, "in_channels": 4, "cross_attention_dim": 768})
        )
        save_file({"w": torch.arange(64.0)}, folder / part / "diffusion_pytorch_model.safetensors")
    (folder / "text_encoder/config.json").write_text(
        json.dumps({"architectures": ["CLIPTextModel"]})
    )
    save_file({"w": torch.arange(64.0)}, folder / "text_encoder/model.safetensors")
    for name in ("tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json"):
        (folder / name).write_text("{}")
    return folder


def on_base(base: Path) -> Config:
    return parse({"base": {"folder": str(base)}})


def published(asset: Asset, folder: Path) -> Asset:
    """The asset as if the files in `folder` were the published ones."""
    files = [
        AssetFile(path=f.path, sha256=file_digest(folder / f.path)) for f in asset.files if f.sha256
    ]
    return asset.model_copy(update={"files": files})


def test_a_base_that_opens_is_present_and_the_published_one_intact(listed, base):
    state, note = looked(listed["stable_diffusion"], on_base(base))
    assert state == "present" and "unet/diffusion_pytorch_model.safetensors" in note
    asset = published(listed["stable_diffusion"], base)
    assert looked(asset, on_base(base)) == ("intact", "SHA-256 as published")
    save_file({"w": torch.zeros(64)}, base / "vae/diffusion_pytorch_model.safetensors")
    state, note = looked(asset, on_base(base))
    assert state == "present" and "vae/" in note and "unet/" not in note


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("model_index.json", "no model_index.json"),
        ("unet/config.json", "unet/config.json does not exist"),
        ("vae/diffusion_pytorch_model.safetensors", "no diffusion_pytorch_model.safetensors or"),
        ("tokenizer/merges.txt", "tokenizer: no"),
        ("scheduler/scheduler_config.json", "scheduler_config.json does not exist"),
    ],
)
def test_what_a_base_lacks(listed, base, gone, words):
    (base / gone).unlink()
    state, note = looked(listed["stable_diffusion"], on_base(base))
    assert state == "missing" and words in note and note.endswith("add --fetch to this command")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "model_index.json",
            '{"_class_name": "StableDiffusionXLPipeline"}',
            "expected StableDiffusionPipeline",
        ),
        ("model_index.json", "[]", "expected a JSON object"),
        ("unet/config.json", "{", "not a readable JSON"),
        ("unet/config.json", '{"_class_name": "ControlNetModel"}', "expected UNet2DConditionModel"),
        (
            "text_encoder/config.json",
            '{"architectures": ["CLIPTextModelWithProjection"]}',
            "expected CLIPTextModel",
        ),
        (
            "scheduler/scheduler_config.json",
            '{"prediction_type": "v_prediction"}',
            "predicts epsilon",
        ),
    ],
)
def test_a_base_of_another_kind(listed, base, name, text, words):
    (base / name).write_text(text)
    state, note = looked(listed["stable_diffusion"], on_base(base))
    assert state == "damaged" and words in note


def test_a_cut_weight_file(listed, base):
    file = base / "unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    state, note = looked(listed["stable_diffusion"], on_base(base))
    assert state == "damaged" and "not a whole weight file" in note


def test_a_folder_that_diffusers_wrote_passes(listed, tmp_path):
    """The check agrees with the library about its own files, and the workflow opens what it calls
    present."""
    import diffusers

    net = diffusers.ControlNetModel(
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        norm_num_groups=4,
        conditioning_embedding_out_channels=(4, 4),
        cross_attention_dim=8,
        layers_per_block=1,
    )
    net.save_pretrained(tmp_path / "net")
    config = parse({"controlnet": {"tile": str(tmp_path / "net")}})
    assert looked(listed["controlnet_tile"], config)[0] == "present"
    (tmp_path / "net/diffusion_pytorch_model.safetensors").unlink()
    torch.save(net.state_dict(), tmp_path / "net/diffusion_pytorch_model.bin")
    assert looked(published(listed["controlnet_tile"], tmp_path / "net"), config)[0] == "intact"


def test_a_controlnet_of_another_base(listed, base, tmp_path):
    folder = tmp_path / "tile"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(
            {"_class_name": "ControlNetModel", "in_channels": 4, "cross_attention_dim": 1024}
        )
    )
    save_file({"w": torch.zeros(4)}, folder / "diffusion_pytorch_model.safetensors")
    config = with_config(on_base(base), controlnet={"tile": str(folder)})
    state, note = looked(listed["controlnet_tile"], config)
    assert state == "damaged" and "cross_attention_dim is 1024, the base has 768" in note


class Harmful:
    def __reduce__(self):
        return os.system, ("true",)


def test_weights_that_would_run_code_are_refused(tmp_path):
    torch.save(Harmful(), tmp_path / "w.bin")
    with pytest.raises(InputError, match=r"w\.bin: not a whole weight file"):
        open_weights(tmp_path / "w.bin")


def heads(change: int = 0) -> dict[str, torch.Tensor]:
    return {
        f"lin{i}.model.1.weight": torch.ones(1, stage[-1] + change, 1, 1)
        for i, stage in enumerate(STAGES)
    }


def test_published_weights_are_told_by_their_hash(listed, tmp_path):
    asset = listed["lpips_heads"]
    file = tmp_path / "vgg.pth"
    config = parse({"weights": {"vgg16": "x", "lpips": str(file)}})
    torch.save(heads(), file)
    state, note = looked(asset, config)
    assert (
        state == "damaged" and asset.files[0].sha256[:12] in note and file_digest(file)[:12] in note
    )
    same = asset.model_copy(update={"files": [AssetFile(path="x", sha256=file_digest(file))]})
    assert looked(same, config) == ("intact", "SHA-256 as published")


def test_converted_weights_are_told_by_their_tensors(listed, tmp_path):
    file = tmp_path / "vgg.safetensors"
    config = parse({"weights": {"vgg16": "x", "lpips": str(file)}})
    save_file(heads(), file)
    assert looked(listed["lpips_heads"], config)[0] == "present"
    save_file(heads(1), file)
    assert "weights.lpips: 'lin0.model.1.weight' is" in looked(listed["lpips_heads"], config)[1]
    file.write_bytes(b"no weights")
    assert looked(listed["lpips_heads"], config)[0] == "damaged"


def test_converted_trunks(listed, tmp_path):
    from hgm.metrics.inception import Inception
    from hgm.metrics.lpips import VGG16

    save_file(Inception().state_dict(), tmp_path / "i.safetensors")
    save_file(VGG16().state_dict(), tmp_path / "v.safetensors")
    config = parse(
        {
            "weights": {
                "vgg16": str(tmp_path / "v.safetensors"),
                "lpips": "x",
                "inception": str(tmp_path / "i.safetensors"),
            }
        }
    )
    assert looked(listed["vgg16"], config)[0] == looked(listed["inception"], config)[0] == "present"
    swapped = with_config(config, weights={"vgg16": str(tmp_path / "i.safetensors")})
    assert looked(listed["vgg16"], swapped)[0] == "damaged"


def test_lgm_is_told_by_its_keys(listed, tmp_path):
    import torch
    from safetensors.torch import save_file

    file = tmp_path / "lgm.safetensors"
    config = parse({"network": {"preset": "paper"}, "coarse": {"lgm": str(file)}})
    save_file({"unet.conv_in.weight": torch.zeros(1), "conv.weight": torch.zeros(1)}, file)
    assert looked(listed["lgm"], config)[0] == "present"
    save_file({"unet.conv_in.weight": torch.zeros(1), "res.conv_in.weight": torch.zeros(1)}, file)
    assert "a checkpoint of the released HGM; expected LGM's" in looked(listed["lgm"], config)[1]
    file.unlink()
    assert (
        looked(listed["lgm"], config)[0] == "missing"
        and looked(listed["lgm_fusion"], config)[0] == "not needed"
    )


def test_lgm_is_looked_for_where_each_training_starts(listed, tmp_path):
    config = parse(
        {
            "network": {"preset": "paper"},
            "fusion": {"lgm": str(tmp_path / "gone.safetensors"), "warm_start": False},
        }
    )
    state, note = looked(listed["lgm_fusion"], config)
    assert (
        state == "missing" and note.startswith("fusion.lgm: ") and "hgm doctor --fetch lgm" in note
    )
    assert looked(listed["lgm"], config)[0] == "not needed"


def test_a_folder_in_place_of_a_file(listed, tmp_path):
    state, note = looked(
        listed["vgg16"], parse({"weights": {"vgg16": str(tmp_path), "lpips": "x"}})
    )
    assert state == "damaged" and "Is a directory" in note
