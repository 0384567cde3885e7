"""The gate lets a capture pass whose body lies on its masks, and says what is wrong with one whose
files mean something else."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from capture_files import write_pictures
from PIL import Image
from scipy.spatial.transform import Rotation

from hgm.body.model import BodyModel
from hgm.body.motion import Motion, cycle, write_motion
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.errors import InputError
from hgm.geometry.rays import RayMesh
from hgm.systems.animatable.captures import open_capture
from hgm.systems.animatable.captures.calibration import write_json_cameras
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.footage import Footage
from hgm.systems.animatable.captures.usable import set_aside_in
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.check import (
    FLAT_HANDS,
    NO_CAUSE,
    check_capture,
    compared,
    silhouette,
    with_mean_hands,
)

SIZE = 64
CAMERAS = ("cam00", "cam01", "cam02")
FRAMES = (0, 5, 11)
FOOTAGE = Footage(FRAMES, CAMERAS)


def rig() -> dict[str, Cameras]:
    """Three cameras on a ring of 2.75 m, the world's origin being somewhere else."""
    found = {}
    for i, name in enumerate(CAMERAS):
        turn = 0.5 + 2.1 * i
        target = torch.tensor([0.4, 1.0, -0.3], dtype=torch.float64)
        away = torch.tensor(
            [2.75 * np.sin(turn), 0.3 * i, 2.75 * np.cos(turn)], dtype=torch.float64
        )
        K = intrinsics(SIZE, focal=1.3, dtype=torch.float64)
        found[name] = Cameras(K, look_at(target + away, target), SIZE, SIZE)
    return found


def moving() -> Motion:
    """A person who turns a little, with curled hands."""
    motion = cycle("random", 12, seed=2)
    shift = np.tile(np.float32([0.4, 1.33, -0.3]), (12, 1))
    turns = np.linspace([0.0, 0.3, 0.0], [0.1, 1.2, 0.1], 12).astype(np.float32)
    curl = np.tile(np.float32([0, 0, -0.9]), (12, 15))
    return dataclasses.replace(
        motion,
        transl=shift,
        global_orient=turns,
        betas=np.full((1, 10), 0.3, np.float32),
        left_hand_pose=curl,
        right_hand_pose=curl * np.tile(np.float32([1, -1, -1]), 15),
    )


@pytest.fixture(scope="module")
def root(model: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of the bare body itself; nobody may write to it."""
    folder = tmp_path_factory.mktemp("gate")
    motion = moving()
    write_motion(folder / "smpl_params.npz", motion)
    cameras = rig()
    write_json_cameras(
        folder / "calibration_full.json",
        {
            name: Viewpoint(c.K.numpy(), c.world_to_camera.numpy(), SIZE, SIZE)
            for name, c in cameras.items()
        },
    )
    for frame in FRAMES:
        with torch.no_grad():
            vertices = model(motion[frame].parameters(model)).vertices[0].numpy()
        mesh = RayMesh(vertices + motion.transl[frame], model.faces.numpy())
        for name, camera in cameras.items():
            mask = np.where(silhouette(mesh, camera.to(torch.float32)), 255, 0).astype(np.uint8)
            image = np.repeat(mask[..., None] // 2, 3, -1)
            write_pictures(folder, "avatarrex", name, frame, image, mask)
    return folder


@pytest.fixture(scope="module")
def capture(root: Path) -> Capture:
    return open_capture(root, "avatarrex")


def test_a_body_on_its_masks_passes(
    root: Path, capture: Capture, model: BodyModel, tmp_path: Path
) -> None:
    files = tmp_path / "check.json", tmp_path / "overlay.png", tmp_path / "failed.png"
    found = check_capture(capture, model, FOOTAGE, *files)
    assert found["fits"] and found["cause"] is None and found["iou"] > 0.98
    for camera in found["cameras"].values():
        assert camera["outside"] < 0.02 and camera["iou"] > 0.98
    assert json.loads(files[0].read_text()) == found
    assert set_aside_in(files[0]) == frozenset() and found["set_aside"] == {}
    overlay = np.asarray(Image.open(files[1]))
    assert overlay.shape[0] == len(FRAMES) * 192 and overlay.shape[1] == len(CAMERAS) * 192
    tinted = overlay[..., 2] > overlay[..., 0] + 50
    share = np.mean([capture.picture(c, i).alpha.float().mean() / 255 for c, i in FOOTAGE.shots()])
    assert tinted.mean() == pytest.approx(share, rel=0.05)
    assert not files[2].exists()


def moved(capture: Capture, change: Callable[[np.ndarray], np.ndarray]) -> Capture:
    """The capture with other world_to_camera [4, 4]."""
    cameras = {
        name: dataclasses.replace(
            c, world_to_camera=torch.from_numpy(change(c.world_to_camera.double().numpy())).float()
        )
        for name, c in capture.cameras.items()
    }
    return dataclasses.replace(capture, cameras=cameras)


def posed(capture: Capture, **changes: np.ndarray) -> Capture:
    """The capture with other parameters."""
    arrays = {name: array.astype(np.float32) for name, array in changes.items()}
    return dataclasses.replace(capture, motion=dataclasses.replace(capture.motion, **arrays))


def turned(capture: Capture, turn: Rotation, model: BodyModel) -> Capture:
    """The capture with a body whose world has other axes."""
    motion = capture.motion
    pelvis = model.shaped(torch.from_numpy(motion.betas[0]))[1][0].numpy()
    orient = (turn * Rotation.from_rotvec(motion.global_orient)).as_rotvec()
    return posed(
        capture,
        global_orient=orient,
        transl=turn.apply(motion.transl + pelvis) - pelvis,
    )


def scaled(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda w2c: np.concatenate([np.c_[w2c[:3, :3], factor * w2c[:3, 3]], w2c[3:]])


def mirrored(capture: Capture, model: BodyModel) -> Capture:
    cameras = {}
    for name, camera in capture.cameras.items():
        K = camera.K.clone()
        K[0] = -K[0]
        K[0, 2] += SIZE
        cameras[name] = dataclasses.replace(camera, K=K)
    return dataclasses.replace(capture, cameras=cameras)


def about_the_origin(capture: Capture, model: BodyModel) -> Capture:
    """transl as of a body that turns about the origin."""
    motion = capture.motion
    pelvis = model.shaped(torch.from_numpy(motion.betas[0]))[1][0].numpy()
    spun = Rotation.from_rotvec(motion.global_orient).apply(pelvis)
    return posed(capture, transl=motion.transl + pelvis - spun)


def about_the_pelvis(capture: Capture, model: BodyModel) -> Capture:
    """transl as where the pelvis is."""
    pelvis = model.shaped(torch.from_numpy(capture.motion.betas[0]))[1][0].numpy()
    return posed(capture, transl=capture.motion.transl + pelvis)


def hands_as_offsets(capture: Capture, model: BodyModel) -> Capture:
    """Hands without the mean hand, as flat_hand_mean=False has them."""
    both = with_mean_hands(model, capture.motion)
    names = ("left_hand_pose", "right_hand_pose")
    return posed(
        capture,
        **{n: 2 * getattr(capture.motion, n) - getattr(both, n) for n in names},
    )


Case = tuple[Callable[[Capture, BodyModel], Capture], str]
WRONG: dict[str, Case] = {
    "mirrored": (mirrored, "the pictures are mirrored, left and right"),
    "z up": (
        lambda c, m: turned(c, Rotation.from_euler("x", 90, degrees=True), m),
        "the body's world has z up",
    ),
    "backwards": (
        lambda c, m: turned(c, Rotation.from_euler("x", 180, degrees=True), m),
        "the axes y and z of the body's world are reversed",
    ),
    "inverse": (lambda c, m: moved(c, np.linalg.inv), "R and T are camera to world"),
    "center": (
        lambda c, m: moved(
            c, lambda w: np.concatenate([np.c_[w[:3, :3], -w[:3, :3].T @ w[:3, 3]], w[3:]])
        ),
        "T is the camera's center",
    ),
    "OpenGL": (
        lambda c, m: moved(c, lambda w2c: np.diag([1.0, -1.0, -1.0, 1.0]) @ w2c),
        "the cameras have OpenGL's axes",
    ),
    "millimeters": (lambda c, m: moved(c, scaled(1000)), "in millimeters: divide it by 1000"),
    "sign": (lambda c, m: posed(c, transl=-c.motion.transl), "transl has the wrong sign"),
    "pelvis": (about_the_pelvis, "transl is where the pelvis is"),
    "origin": (about_the_origin, "the body turns about the origin, as EasyMocap's"),
    "hands": (hands_as_offsets, FLAT_HANDS),
    "another motion": (
        lambda c, m: posed(c, body_pose=c.motion.body_pose[::-1] * 1.5, transl=c.motion.transl + 1),
        NO_CAUSE,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(
    case: str, capture: Capture, model: BodyModel, tmp_path: Path
) -> None:
    spoil, cause = WRONG[case]
    found, _ = compared(spoil(capture, model), model, FOOTAGE)
    assert not found["fits"]
    assert cause in found["fault"], found["fault"]
    assert (found["cause"] is None) == (cause == NO_CAUSE)


def test_a_capture_that_fails_leaves_its_overlay_and_nothing_else(
    capture: Capture, model: BodyModel, tmp_path: Path
) -> None:
    files = tmp_path / "check.json", tmp_path / "overlay.png", tmp_path / "failed.png"
    wrong = posed(capture, transl=capture.motion.transl + np.float32([0.5, 0, 0]))
    message = (
        r"smpl_params.npz: the body does not lie on the masks: camera cam0\d, frame \d+: 0\.\d"
    )
    with pytest.raises(InputError, match=message) as error:
        check_capture(wrong, model, FOOTAGE, *files)
    assert str(files[2]) in str(error.value) and "\n" not in str(error.value)
    assert files[2].exists() and not files[0].exists() and not files[1].exists()
