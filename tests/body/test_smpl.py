"""SMPL files as they are about, and the SMPL-X shape that comes nearest."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix
from synthetic_scans import smpl_arrays

from hgm.body.model import BodyModel
from hgm.body.smpl import load_smpl, nearest_smplx
from hgm.errors import InputError


@pytest.fixture(scope="module")
def arrays(male: BodyModel) -> dict[str, np.ndarray]:
    return smpl_arrays(male)


def put(folder: Path, data: object, name: str = "SMPL_NEUTRAL.pkl") -> Path:
    (folder / "smpl").mkdir()
    path = folder / "smpl" / name
    path.write_bytes(pickle.dumps(data))
    return path


def test_a_pickle_with_a_sparse_regressor_is_the_npz(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    """The published regressor is scipy's, by columns."""
    sparse = np.where(np.abs(arrays["J_regressor"]) > 1e-5, arrays["J_regressor"], 0)
    put(tmp_path, {**arrays, "J_regressor": csc_matrix(sparse), "bs_style": "lbs"})
    read = load_smpl(tmp_path)
    np.testing.assert_array_equal(read.regressor, sparse)
    np.savez(tmp_path / "smpl" / "SMPL_NEUTRAL.npz", **{**arrays, "J_regressor": sparse})
    again = load_smpl(tmp_path)
    for name in ("template", "shapes", "regressor"):
        np.testing.assert_array_equal(getattr(read, name), getattr(again, name))


def test_the_nearest_shape(tmp_path: Path, arrays: dict[str, np.ndarray], male: BodyModel) -> None:
    """Where SMPL's joints are those of an SMPL-X body, that body is found, but for the pull of the
    ridge."""
    (tmp_path / "smpl").mkdir()
    np.savez(tmp_path / "smpl" / "SMPL_NEUTRAL.npz", **arrays)
    smpl = load_smpl(tmp_path)
    betas = np.array([1.5, -1, 0.5, 0.3, 0, 0, 0.2, 0, 0, -0.4])
    joints = male.shaped(torch.from_numpy(betas).float())[1].numpy()
    np.testing.assert_allclose(smpl.rest_joints(betas), joints[:24], atol=1e-5)
    pose = np.random.default_rng(0).normal(0, 0.2, 69)
    found = nearest_smplx(smpl, betas, pose, male)
    np.testing.assert_allclose(found.body_pose.numpy(), pose[:63], atol=1e-6)
    ours = male.shaped(found.betas)[1].numpy()
    rms = np.sqrt(((ours - ours[:1] - joints + joints[:1])[:22] ** 2).sum(-1).mean())
    neutral = male.shaped(torch.zeros(10))[1].numpy()
    assert (
        rms
        < 0.005
        < np.sqrt(((neutral - neutral[:1] - joints + joints[:1])[:22] ** 2).sum(-1).mean())
    )


def test_bad_files(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"SMPL_NEUTRAL\.pkl: no such body model, nor an npz"):
        load_smpl(tmp_path)
    path = put(tmp_path, {**arrays, "v_template": arrays["v_template"][:100]})
    with pytest.raises(InputError, match=r"v_template \(100, 3\)[^\n]* are not SMPL's$"):
        load_smpl(tmp_path)
    path.write_bytes(pickle.dumps({"v_template": arrays["v_template"]}))
    with pytest.raises(InputError, match="lacks v_template, shapedirs or J_regressor"):
        load_smpl(tmp_path)
    path.write_bytes(b"\x80\x02cchumpy.ch\nCh\n)\x81.")
    with pytest.raises(
        InputError,
        match=r"it asks for chumpy\.ch\.Ch, which is not allowed; take its chumpy objects out with",
    ):
        load_smpl(tmp_path)
    path.write_bytes(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    with pytest.raises(InputError, match=r"it asks for os\.system, which is not allowed$"):
        load_smpl(tmp_path)
