"""The container of body parameters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.body.parameters import BodyParameters
from hgm.errors import InputError


def test_shapes() -> None:
    params = BodyParameters.zeros((2, 1), hand_components=45).replace(body_pose=torch.zeros(5, 63))
    assert params.shape == (2, 5) and params.hand_components == 45
    assert params.expand(2, 5).betas.shape == (2, 5, 10)
    assert params[1].shape == (5,) and params[1, 2].shape == ()
    with pytest.raises(ValueError, match=r"body_pose must be \[..., 63\]"):
        params.replace(body_pose=torch.zeros(69))
    with pytest.raises(ValueError, match="do not fit together"):
        params.replace(body_pose=torch.zeros(3, 2, 63))
    with pytest.raises(ValueError, match="differ in width"):
        params.replace(left_hand_pose=torch.zeros(12))


def test_round_trip_has_equal_bytes(tmp_path: Path, people: BodyParameters) -> None:
    people.save_npz(tmp_path / "a.npz", nu_per_metre=np.float64(0.7))
    people.save_npz(tmp_path / "b.npz", nu_per_metre=np.float64(0.7))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = BodyParameters.from_npz(tmp_path / "a.npz")
    for name, value in people.items():
        assert torch.equal(value, getattr(back, name)), name


def test_heading_may_be_absent(tmp_path: Path, people: BodyParameters) -> None:
    arrays = people.arrays()
    del arrays["global_orient"]
    np.savez(tmp_path / "smplx.npz", **arrays)
    back = BodyParameters.from_npz(tmp_path / "smplx.npz")
    assert torch.equal(back.global_orient, torch.zeros(3, 3)) and torch.equal(
        back.betas, people.betas
    )


def test_bad_files(tmp_path: Path, people: BodyParameters) -> None:
    path = tmp_path / "smplx.npz"
    with pytest.raises(InputError, match=r"smplx.npz: not a readable npz"):
        BodyParameters.from_npz(path)
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"smplx.npz: not a readable npz"):
        BodyParameters.from_npz(path)
    np.savez(path, vertices=np.zeros(3))
    with pytest.raises(InputError, match="the key betas is missing"):
        BodyParameters.from_npz(path)
    for name, value, message in (
        ("betas", np.full((3, 10), np.nan), "betas holds numbers that are not finite"),
        ("jaw_pose", np.zeros((3, 4)), "jaw_pose must be"),
        ("expression", np.array("smile"), "expression does not hold numbers"),
    ):
        np.savez(path, **{**people.arrays(), name: value})
        with pytest.raises(InputError, match=message):
            BodyParameters.from_npz(path)
