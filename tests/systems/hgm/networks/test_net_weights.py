"""Weights on disk: round trip, repeatable bytes, strict loading."""

import json
from pathlib import Path

import pytest
import torch
from net_samples import batch_of, tiny_model

from hgm.errors import InputError
from hgm.nets.weights import load_tensors, save_tensors
from hgm.systems.hgm.networks.files import load_model, save_model
from hgm.systems.hgm.networks.start import start_from


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    model = tiny_model(2, channels_last=True)
    sample = batch_of(model, 1)
    model(*sample)  # moves BatchNorm's statistics
    save_model(model, tmp_path / "a")
    save_model(model, tmp_path / "b")
    for name in ("weights.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = load_model(tmp_path / "a")
    assert not loaded.training and loaded.config == model.config
    assert torch.equal(loaded(*sample).merged.packed(), model.eval()(*sample).merged.packed())


def test_strict_loading_names_the_first_wrong_key(tmp_path: Path) -> None:
    model = tiny_model()
    path = tmp_path / "w.safetensors"
    tensors = dict(model.state_dict())
    first = "unet.conv_in.weight"
    save_tensors({k: v for k, v in tensors.items() if k != first}, path)
    with pytest.raises(
        InputError, match=r"key unet.conv_in.weight of shape \[8, 9, 3, 3\] is missing"
    ) as error:
        load_tensors(model, path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    save_tensors({**tensors, first: torch.zeros(8, 4, 3, 3)}, path)
    with pytest.raises(InputError, match=r"has shape \[8, 4, 3, 3\], expected \[8, 9, 3, 3\]"):
        load_tensors(model, path)
    save_tensors({**tensors, "extra": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"key extra of shape \[2\] has no place"):
        load_tensors(model, path)


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.json: no such file"):
        load_model(tmp_path)
    save_model(tiny_model(), tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"weights.safetensors: not a whole safetensors file"):
        load_model(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"weights.safetensors: no such file"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(InputError, match=r"model.json: not JSON"):
        load_model(tmp_path)
    data = tiny_model().config.to_json()
    (tmp_path / "model.json").write_text(json.dumps({**data, "hue": 1}))
    with pytest.raises(InputError, match="'hue' is unknown"):
        load_model(tmp_path)


def test_a_model_of_two_views_starts_from_one_of_one_view(tmp_path: Path) -> None:
    coarse = tiny_model(1, surfaces=2)
    with torch.no_grad():
        for p in coarse.parameters():
            p.add_(0.01)
    save_model(coarse, tmp_path)
    fusion = tiny_model(2, surfaces=1)
    start_from(fusion, tmp_path / "weights.safetensors")
    own = coarse.state_dict()
    for name, tensor in fusion.state_dict().items():
        first = own[name][:14] if name.startswith("detail.out.") else own[name]
        assert torch.equal(tensor, first), name
    with pytest.raises(InputError, match=r"detail\.out\.weight has shape"):
        start_from(tiny_model(2, surfaces=2), save_fusion(fusion, tmp_path / "fusion"))


def save_fusion(model, folder: Path) -> Path:
    save_model(model, folder)
    return folder / "weights.safetensors"
