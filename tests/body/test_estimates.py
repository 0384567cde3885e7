"""Estimators' files of a known body: where its joints land in our frame and in the photo, and what
broken files say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from estimate_files import (
    FLIP,
    Known,
    known,
    pixie_pixels,
    pymafx_pixels,
    write_pixie,
    write_pymafx,
)
from scipy.spatial.transform import Rotation

from hgm.body.estimates import DetectedBody, read_estimate
from hgm.body.estimators.files import estimate_file
from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.rig import FOCAL, RADIUS
from hgm.systems.hgm.estimate import estimate_in_views, place

CAMERA = np.array([0.93, 0.04, 0.31])
SIZE = 512


def assert_lands(seen: DetectedBody, model: BodyModel, body: Known, pixels: np.ndarray) -> None:
    """Joints within 1e-4 NU of the known ones and within 0.1 pixel of where the estimator's camera
    sees them."""
    camera = orbit(size=SIZE)[0]
    estimate = estimate_in_views(seen, camera)
    assert estimate.scale is not None and estimate.translation is not None
    joints = place(model(estimate.params), estimate.scale, estimate.translation)[1].numpy()
    expected = (body.joints - body.joints[0]) @ FLIP * estimate.scale + estimate.translation.numpy()
    assert np.abs(joints - expected).max() < 1e-4
    unit = FOCAL * SIZE / RADIUS  # pixels per NU at the pelvis
    assert np.abs(SIZE / 2 + unit * joints[:, :2] * [1, -1] - pixels).max() < 0.1
    assert np.abs(camera.project(torch.from_numpy(joints[:1]))[0].numpy() - pixels[0]).max() < 0.1
    assert abs(estimate.translation[2]) < 1e-6


def test_pixie(models: Path, male: BodyModel, tmp_path: Path) -> None:
    body = known(models, eyes=False)
    path = write_pixie(tmp_path, "0505", body, CAMERA)
    assert estimate_file(tmp_path, "0505") == path
    seen = read_estimate(path, male, "0505")
    assert seen.source == "PIXIE"
    assert_lands(seen, male, body, pixie_pixels(body.joints, CAMERA))
    ours = male(seen.params)
    assert (
        np.abs(
            (ours.vertices - ours.joints[0]).numpy() @ FLIP - (body.vertices - body.joints[0])
        ).max()
        < 1e-4
    )
    assert np.allclose(seen.params.betas, body.betas, atol=1e-2)


def test_pymafx(models: Path, male: BodyModel, tmp_path: Path) -> None:
    body = known(models)
    path = write_pymafx(
        tmp_path / "output.pkl", body, CAMERA, ["0505_f0_p0", "a_f_f1_p0", "0507_f2_p0"]
    )
    assert estimate_file(tmp_path, "0507") == path
    seen = read_estimate(path, male, "0507")
    assert seen.source == "PyMAF-X"
    assert_lands(seen, male, body, pymafx_pixels(body.joints, CAMERA))


def test_a_body_of_another_model_keeps_its_size(
    models: Path, male: BodyModel, tmp_path: Path
) -> None:
    """PIXIE's shape coefficients belong to another file of SMPL-X; its vertices tell the shape."""
    body = known(models, "female", eyes=False)
    seen = read_estimate(write_pixie(tmp_path, "0505", body, CAMERA), male, "0505")
    still = seen.params.replace(betas=torch.from_numpy(body.betas).float())

    def error(params) -> float:
        found = male(params).joints.numpy()[:22]
        return float(
            np.linalg.norm(
                (found - found[0]) @ FLIP - (body.joints - body.joints[0])[:22], axis=-1
            ).mean()
        )

    assert error(seen.params) < 0.02 and error(seen.params) < 0.5 * error(still)


def vectors(body: Known, key: str) -> np.ndarray:
    return Rotation.from_matrix(body.matrices[key]).as_rotvec().reshape(-1)


def test_files_of_smplx_parameters(models: Path, male: BodyModel, tmp_path: Path) -> None:
    """Axis-angle or matrices, hands as rotations, flat or about the mean hand, or as components:
    all are the same body."""
    body = known(models)
    shape = {
        "betas": np.pad(body.betas, (0, 290))[None],
        "expression": np.pad(body.expression, (0, 40)),
    }
    angles = {key: vectors(body, key)[None] for key in body.matrices}
    hands = ("left_hand_pose", "right_hand_pose")
    means = {key: mean.numpy() for key, mean in zip(hands, male.hand_means, strict=True)}
    about = {**angles, **{key: angles[key] - means[key] for key in hands}}
    for name, poses in (
        ("matrices", body.matrices),
        ("flat", {**angles, "flat_hand_mean": np.array(True)}),
        ("about", about),
    ):
        path = tmp_path / f"{name}.npz"
        np.savez(path, **shape, **poses)
        seen = read_estimate(path, male, "x")
        assert seen.pelvis is None and seen.pixels_per_meter is None
        assert np.abs(male(seen.params).joints.numpy() - body.joints).max() < 1e-4, name
        assert estimate_in_views(seen, orbit(size=8)[0]).scale is None
    few = np.random.default_rng(0).normal(size=12)
    np.savez(
        tmp_path / "few.npz",
        **shape,
        **{**angles, "left_hand_pose": few, "right_hand_pose": few[:6]},
    )
    params = read_estimate(tmp_path / "few.npz", male, "x").params
    assert np.allclose(params.left_hand_pose, few) and np.allclose(
        params.right_hand_pose[:6], few[:6]
    )
    assert params.betas.shape == (300,) and params.expression.shape == (50,)


def test_files_of_this_program_hold_coefficients(male: BodyModel, tmp_path: Path) -> None:
    body = male.zeros().replace(
        left_hand_pose=torch.full((45,), 0.1), right_hand_pose=torch.full((45,), -0.2)
    )
    body.save_npz(tmp_path / "smplx.npz", source=np.array("somewhere"))
    assert torch.equal(
        read_estimate(tmp_path / "smplx.npz", male, "x").params.left_hand_pose, body.left_hand_pose
    )


def refused(path: Path, model: BodyModel, subject: str = "0505") -> str:
    with pytest.raises(InputError) as caught:
        read_estimate(path, model, subject)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path.parent))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bbox": None}, "the key bbox is missing"),
        ({"global_pose": np.zeros((1, 6))}, "global_pose is (1, 6), expected (1, 3, 3)"),
        ({"jaw_pose": 2 * np.eye(3)[None]}, "jaw_pose holds matrices that are not rotations"),
        ({"body_cam": np.array([1, np.nan, 0])}, "body_cam holds numbers that are not finite"),
    ],
)
def test_broken_files_of_pixie(
    models: Path, male: BodyModel, tmp_path: Path, changes: dict, words: str
) -> None:
    assert words in refused(write_pixie(tmp_path, "0505", known(models), CAMERA, **changes), male)


def test_pixie_needs_both_of_its_files(models: Path, male: BodyModel, tmp_path: Path) -> None:
    path = write_pixie(tmp_path, "0505", known(models), CAMERA)
    prediction = path.with_name("0505_prediction.pkl")
    whole = prediction.read_bytes()
    prediction.unlink()
    assert "0505_prediction.pkl is not beside it" in refused(path, male)
    prediction.write_bytes(whole[:1000])
    assert "0505_prediction.pkl: not a readable pickle" in refused(path, male)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bboxes": None}, "the key bboxes is missing"),
        ({"pred_cam": np.zeros((1, 3))}, "pred_cam is no array with a row for each"),
        ({"smplx_params": []}, "smplx_params has fewer people than person_ids"),
        ({"person_ids": []}, "nobody at all"),
        ({"smplx_params": [{"body_pose": 3}]}, "the key body_pose is missing in smplx_params"),
    ],
)
def test_broken_files_of_pymafx(
    models: Path, male: BodyModel, tmp_path: Path, changes: dict, words: str
) -> None:
    path = write_pymafx(
        tmp_path / "output.pkl", known(models), CAMERA, ["0504_f0_p0", "0505_f1_p0"], **changes
    )
    assert words in refused(path, male)


def test_other_files(male: BodyModel, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", betas=np.zeros(10))
    assert "the key body_pose is missing" in refused(tmp_path / "a.npz", male)
    np.savez(tmp_path / "a.npz", betas=np.zeros(10), body_pose=np.zeros(32))
    assert "body_pose is (32,), expected (63,)" in refused(tmp_path / "a.npz", male)
    np.savez(tmp_path / "a.npz", betas=np.zeros(400), body_pose=np.zeros(63))
    assert "betas has 400 numbers" in refused(tmp_path / "a.npz", male)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 cut")
    assert "not a readable npz" in refused(tmp_path / "a.npz", male)
    with pytest.raises(
        InputError, match=r"has no estimate of 0505; expected one of 0505/smplx\.npz"
    ):
        estimate_file(tmp_path, "0505")
