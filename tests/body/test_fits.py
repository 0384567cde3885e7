"""Fits of THuman2.0, THuman2.1 and CustomHumans: what is read, what is refused, and where the body
lands."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smplx
import torch
from trimesh.caching import tracked_array

from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.errors import InputError


def parameters(hands: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    widths = {
        "betas": 10,
        "global_orient": 3,
        "body_pose": 63,
        "left_hand_pose": hands,
        "right_hand_pose": hands,
        "jaw_pose": 3,
        "leye_pose": 3,
        "reye_pose": 3,
        "expression": 10,
    }
    data: dict[str, Any] = {
        k: rng.normal(0, 0.3, (1, n)).astype(np.float32) for k, n in widths.items()
    }
    return {
        **data,
        "scale": np.array([0.416], np.float32),
        "translation": np.array([0.1, 0.2, -0.3], np.float32),
    }


def write(path: Path, data: Any) -> Path:
    path.write_bytes(pickle.dumps(data))
    return path


def test_lands_where_the_package_puts_it(tmp_path: Path, models: Path, male: BodyModel) -> None:
    data = parameters()
    fit = load_fit(write(tmp_path / "smplx_param.pkl", data), male)
    reference = smplx.create(models, model_type="smplx", gender="male", ext="npz", num_pca_comps=12)
    tensors = {k: torch.from_numpy(v) for k, v in data.items()}
    with torch.no_grad():
        vertices = reference(
            **{k: v for k, v in tensors.items() if k not in ("scale", "translation")}
        ).vertices[0]
        ours = male(fit.params).vertices
    assert ours.shape == (10475, 3)
    expected = vertices * tensors["scale"] + tensors["translation"]
    assert (fit.to_scan(ours) - expected).abs().max() < 1e-5
    assert (fit.from_scan(fit.to_scan(ours)) - ours).abs().max() < 1e-5


@pytest.mark.parametrize(
    "scale",
    [
        np.array([0.416], np.float32),
        np.array(0.416),
        np.float64(0.416),
        0.416,
        tracked_array(np.array(0.416)),
        tracked_array(np.array([0.416])),
    ],
)
@pytest.mark.parametrize(
    "translation", [np.array([[1.0, 2.0, 3.0]]), tracked_array(np.array([1.0, 2.0, 3.0]))]
)
def test_spellings_of_scale_and_translation(
    tmp_path: Path, male: BodyModel, scale: Any, translation: np.ndarray
) -> None:
    fit = load_fit(
        write(tmp_path / "fit.pkl", {**parameters(), "scale": scale, "translation": translation}),
        male,
    )
    assert fit.scale == pytest.approx(0.416)
    assert torch.equal(fit.translation, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))


def test_fits_of_2024(tmp_path: Path, models: Path) -> None:
    """THuman2.1: (vertices + transl) * scale with the package's settings use_pca=False and
    flat_hand_mean=False."""
    data = parameters(45)
    data["transl"] = data.pop("translation")[None]
    neutral = BodyModel.load(models, "neutral")
    fit = load_fit(write(tmp_path / "smplx_param.pkl", data), neutral)
    reference = smplx.create(models, model_type="smplx", gender="neutral", ext="npz", use_pca=False)
    scale = data.pop("scale")
    with torch.no_grad():
        expected = reference(**{k: torch.from_numpy(v) for k, v in data.items()}).vertices[
            0
        ] * torch.from_numpy(scale)
        ours = fit.to_scan(neutral(fit.params).vertices)
    assert (ours - expected).abs().max() < 1e-5
    assert fit.params.hand_components == 45


def released(year: int) -> dict[str, Any]:
    """A fit as the release of that year spells it."""
    data = parameters(12 if year == 2022 else 45)
    if year == 2024:
        data["transl"] = data.pop("translation")
    return data


@pytest.mark.parametrize(
    ("year", "model", "needed"),
    [
        (2022, "neutral", "male"),
        (2024, "male", "neutral"),
        (2024, "female", "neutral"),
    ],
)
def test_a_fit_of_another_model_is_refused(
    tmp_path: Path, models: Path, year: int, model: str, needed: str
) -> None:
    path = write(tmp_path / "smplx_param.pkl", released(year))
    words = (
        rf"smplx_param\.pkl: a fit of .*{year}, .*set scans\.gender to {needed}, "
        r"or scans\.test_gender"
    )
    with pytest.raises(InputError, match=words) as caught:
        load_fit(path, BodyModel.load(models, model))
    assert "\n" not in str(caught.value)
    assert load_fit(path, BodyModel.load(models, needed)).scale > 0


@pytest.mark.parametrize("spelling", ["female", np.array("female"), np.array(["FEMALE"])])
def test_a_fit_may_say_whose_model_it_is_of(tmp_path: Path, models: Path, spelling: Any) -> None:
    path = write(tmp_path / "fit.pkl", {**released(2022), "gender": spelling})
    assert load_fit(path, BodyModel.load(models, "female")).scale > 0
    with pytest.raises(InputError, match=r"of the female body model, not of the male one"):
        load_fit(path, BodyModel.load(models, "male"))
    with pytest.raises(InputError, match=r"fit\.pkl: gender is 'child', expected one of neutral"):
        load_fit(write(path, {**released(2022), "gender": "child"}), BodyModel.load(models, "male"))


def test_custom_humans_is_of_the_male_model(tmp_path: Path, models: Path) -> None:
    path, _ = custom_humans(tmp_path)
    with pytest.raises(
        InputError,
        match=r"a fit of CustomHumans, which is of the male body model.*scans\.test_gender",
    ):
        load_fit(path, BodyModel.load(models, "neutral"))


def custom_humans(tmp_path: Path, **changes: Any) -> tuple[Path, dict[str, np.ndarray]]:
    data = parameters()
    del data["scale"], data["translation"]
    flat = {key: value[0].tolist() for key, value in data.items()}
    path = tmp_path / "mesh-f00101.json"
    path.write_text(json.dumps({**flat, "transl": [1.0, 2.0, 3.0], **changes}))
    return path, data


def test_custom_humans(tmp_path: Path, models: Path, male: BodyModel) -> None:
    """As its own script makes the body: 12 components about a flat hand, no orientation, minus the
    pelvis joint."""
    path, data = custom_humans(tmp_path)
    fit = load_fit(path, male)
    reference = smplx.create(
        models, model_type="smplx", gender="male", ext="npz", num_pca_comps=12, flat_hand_mean=True
    )
    tensors = {
        key: torch.from_numpy(value) for key, value in data.items() if key != "global_orient"
    }
    with torch.no_grad():
        pelvis = reference(body_pose=tensors["body_pose"], betas=tensors["betas"]).joints[:, 0]
        expected = reference(**tensors, transl=-pelvis).vertices[0]
        ours = fit.to_scan(male(fit.params).vertices)
    assert (ours - expected).abs().max() < 1e-5 and fit.scale == 1
    assert not fit.params.global_orient.any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "holds a list"),
        ("{", "not a readable JSON"),
        ('{"betas": [1]}', r"betas is \(1,\), expected \(1, 10\)"),
        ("{}", "the key betas is missing"),
    ],
)
def test_bad_json(tmp_path: Path, male: BodyModel, text: str, message: str) -> None:
    path = tmp_path / "mesh-f00101.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mesh-f00101\.json: [^\n]*{message}[^\n]*$"):
        load_fit(path, male)
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        load_fit(tmp_path / "none.json", male)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("body_pose", None, "the key body_pose is missing"),
        ("body_pose", np.zeros((1, 69)), r"body_pose is \(1, 69\), expected \(1, 63\)"),
        ("betas", np.zeros((2, 10)), r"betas is \(2, 10\)"),
        ("left_hand_pose", np.zeros((1, 24)), r"expected \(1, 12 or 45\)"),
        ("left_hand_pose", np.zeros((1, 45)), "differ in width"),
        ("expression", np.full((1, 10), np.inf), "expression holds numbers that are not finite"),
        ("jaw_pose", "open", "jaw_pose does not hold numbers"),
        ("scale", np.array([-1.0]), "scale must be one positive number"),
        ("scale", np.array([0.0]), "scale must be one positive number"),
        ("scale", np.ones(3), "scale must be one positive number"),
        ("scale", np.array([np.nan]), "scale holds numbers that are not finite"),
        ("translation", None, "the key translation is missing"),
        ("translation", np.zeros(2), r"translation is \(2,\), expected \(3,\)"),
    ],
)
def test_bad_values(tmp_path: Path, male: BodyModel, key: str, value: Any, message: str) -> None:
    data = {**parameters(), key: value}
    if value is None:
        del data[key]
    with pytest.raises(InputError, match=rf"fit\.pkl: .*{message}") as caught:
        load_fit(write(tmp_path / "fit.pkl", data), male)
    assert "\n" not in str(caught.value)


def test_not_a_dict(tmp_path: Path, male: BodyModel) -> None:
    with pytest.raises(InputError, match="holds a list"):
        load_fit(write(tmp_path / "fit.pkl", [1, 2]), male)
