"""Files of motions: each layout as its data set writes it, the way back, and what is refused."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smplx
import torch
from scipy.spatial.transform import Rotation

from hgm.body.model import BodyModel
from hgm.body.motion import Motion, cycle, read_motion, write_motion
from hgm.body.motion.files import is_amass
from hgm.body.motion.given import given_motion
from hgm.errors import InputError

FRAMES = 5


def avatarrex() -> dict[str, Any]:
    """The arrays of a subject's `smpl_params.npz`."""
    rng = np.random.default_rng(3)
    widths = {
        "global_orient": 3,
        "transl": 3,
        "body_pose": 63,
        "jaw_pose": 3,
        "expression": 10,
        "left_hand_pose": 45,
        "right_hand_pose": 45,
    }
    arrays = {k: rng.normal(0, 0.3, (FRAMES, n)).astype(np.float32) for k, n in widths.items()}
    return {**arrays, "betas": rng.normal(0, 0.5, (1, 10)).astype(np.float32)}


def amass(width: int = 165) -> dict[str, Any]:
    """The arrays of a sequence, of SMPL-H at 156 and of SMPL-X at 165: float64, z up."""
    rng = np.random.default_rng(4)
    upright = Rotation.from_euler("x", 90, degrees=True)  # y up -> z up, a person who faces -y
    turns = Rotation.from_euler("z", rng.uniform(-180, 180, (FRAMES, 1)), degrees=True) * upright
    poses = rng.normal(0, 0.3, (FRAMES, width))
    poses[:, :3] = turns.as_rotvec()
    rate = "mocap_framerate" if width == 156 else "mocap_frame_rate"
    return {
        "poses": poses,
        "trans": rng.normal([0, 0, 0.9], 0.5, (FRAMES, 3)),
        "betas": rng.normal(0, 0.5, 16),
        "gender": np.array("neutral"),
        rate: np.array(120.0),
        "dmpls": np.zeros((FRAMES, 8)),
        "labels": np.array(["LFHD", None], object),  # markers' names, which nothing here needs
    }


def save(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def vertices(model: BodyModel, motion: Motion) -> np.ndarray:
    with torch.no_grad():
        return model(motion.parameters(model)).vertices.numpy() + motion.transl[:, None]


@pytest.fixture(scope="module")
def neutral(models: Path) -> BodyModel:
    return BodyModel.load(models, "neutral")


def test_avatarrex_is_posed_as_its_page_says(
    tmp_path: Path, models: Path, neutral: BodyModel
) -> None:
    """smplx with use_pca=False and flat_hand_mean=True."""
    arrays = avatarrex()
    motion = read_motion(save(tmp_path / "smpl_params.npz", arrays))
    reference = smplx.create(
        models,
        model_type="smplx",
        gender="neutral",
        ext="npz",
        use_pca=False,
        flat_hand_mean=True,
        batch_size=FRAMES,
    )
    tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
    tensors["betas"] = tensors["betas"].expand(FRAMES, -1)
    with torch.no_grad():
        expected = reference(**tensors).vertices.numpy()
    assert len(motion) == FRAMES and motion.fps == 30 and motion.betas.shape == (1, 10)
    assert np.abs(vertices(neutral, motion) - expected).max() < 1e-5


def test_a_sequence_for_driving_may_lack_face_hands_and_shape(tmp_path: Path) -> None:
    arrays = {k: v for k, v in avatarrex().items() if k in ("global_orient", "body_pose", "transl")}
    motion = read_motion(save(tmp_path / "pose_00.npz", arrays))
    assert np.array_equal(motion.body_pose, arrays["body_pose"])
    assert motion.left_hand_pose.shape == (FRAMES, 45) and motion.betas.shape == (1, 10)
    assert not motion.jaw_pose.any() and not motion.left_hand_pose.any()


def test_amass_of_smplx_is_its_own_body_seen_with_y_up(
    tmp_path: Path, models: Path, neutral: BodyModel
) -> None:
    """Posed by smplx in the file's world, then turned as a whole."""
    arrays = amass()
    motion = read_motion(save(tmp_path / "walk_stageii.npz", arrays))
    poses = torch.from_numpy(arrays["poses"].astype(np.float32))
    reference = smplx.create(
        models,
        model_type="smplx",
        gender="neutral",
        ext="npz",
        use_pca=False,
        flat_hand_mean=True,
        num_betas=16,
        batch_size=FRAMES,
    )
    with torch.no_grad():
        z_up = reference(
            betas=torch.from_numpy(arrays["betas"].astype(np.float32)).expand(FRAMES, -1),
            global_orient=poses[:, :3],
            body_pose=poses[:, 3:66],
            jaw_pose=poses[:, 66:69],
            leye_pose=poses[:, 69:72],
            reye_pose=poses[:, 72:75],
            left_hand_pose=poses[:, 75:120],
            right_hand_pose=poses[:, 120:],
            transl=torch.from_numpy(arrays["trans"].astype(np.float32)),
        ).vertices.numpy()
    expected = np.stack([z_up[..., 0], z_up[..., 2], -z_up[..., 1]], -1)
    shift = vertices(neutral, motion) - expected
    # one and the same for all frames: the body's pelvis at rest is not that of the mean body
    assert np.abs(shift - shift[0, 0]).max() < 1e-5
    assert np.linalg.norm(shift[0, 0]) < 0.05
    assert motion.fps == 120 and motion.betas.shape == (1, 16)


def test_amass_faces_z(tmp_path: Path, neutral: BodyModel) -> None:
    """A T pose that stands upright on z = 0 and faces -y stands upright on y = 0 and faces +z."""
    poses = np.zeros((1, 165))
    poses[0, 0] = np.pi / 2
    rest = neutral.v_template.numpy()
    # the point that the body turns about stays where it is
    pelvis = neutral.joint_regressor[0].numpy() @ rest
    trans = np.array([[0.0, pelvis[2], pelvis[1] - rest[:, 1].min()]]) - pelvis
    motion = read_motion(
        save(tmp_path / "t.npz", {"poses": poses, "trans": trans, "mocap_framerate": 100})
    )
    assert np.abs(motion.global_orient).max() < 1e-6
    body = vertices(neutral, motion)[0]
    assert abs(body[:, 1].min()) < 0.01
    assert np.abs(body - body.mean(0) - (rest - rest.mean(0))).max() < 1e-4


def test_amass_of_smplh_has_the_same_joints_and_another_origin(tmp_path: Path) -> None:
    """The pelvis of SMPL-H's mean body at rest is 12.8 cm above that of SMPL-X."""
    whole = amass(165)
    hands = np.concatenate([whole["poses"][:, :66], whole["poses"][:, 75:]], 1)
    x = read_motion(save(tmp_path / "x.npz", whole))
    h = read_motion(
        save(tmp_path / "h.npz", {**amass(156), "poses": hands, "trans": whole["trans"]})
    )
    for name in ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose"):
        assert np.array_equal(getattr(h, name), getattr(x, name)), name
    assert not h.jaw_pose.any() and not h.leye_pose.any()
    assert h.betas.shape == (1, 10) and not h.betas.any()  # another space of shapes
    shift = h.transl - x.transl
    assert np.abs(shift - shift[0]).max() < 1e-6
    assert np.allclose(shift[0], [-0.0049, 0.0162, -0.1281], atol=1e-5)
    assert h.fps == 120


def test_round_trip(tmp_path: Path) -> None:
    for index, motion in enumerate(
        (cycle("random", 7, 24.0), read_motion(save(tmp_path / "in.npz", amass())))
    ):
        path = tmp_path / f"out{index}.npz"
        write_motion(path, motion)
        again = read_motion(path)
        for name, value in vars(motion).items():
            assert np.array_equal(getattr(again, name), value), name
        first = path.read_bytes()
        write_motion(path, again)
        assert path.read_bytes() == first


@pytest.mark.parametrize("width", [0, 11, 300])
def test_betas_that_no_reader_takes_are_not_written(tmp_path: Path, width: int) -> None:
    motion = dataclasses.replace(cycle("wave", 3), betas=np.zeros((1, width), np.float32))
    message = rf"a\.npz: betas is \(1, {width}\), expected \(1, 10 or 16\)"
    with pytest.raises(InputError, match=message):
        write_motion(tmp_path / "a.npz", motion)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "motion.npz"
    write_motion(path, cycle("wave", 3))
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_motion(path, cycle("walk", 3))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["motion.npz"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("body_pose", None, "neither the key body_pose .* nor poses"),
        ("global_orient", None, "the key global_orient is missing"),
        ("transl", None, "the key transl is missing"),
        ("body_pose", np.zeros((FRAMES, 69)), r"body_pose is \(5, 69\), expected \(frames, 63\)"),
        ("body_pose", np.zeros(63), r"body_pose is \(63,\), expected \(frames, 63\)"),
        ("body_pose", np.zeros(()), r"body_pose is \(\), expected \(frames, 63\)"),
        ("left_hand_pose", np.zeros((FRAMES, 12)), r"left_hand_pose is \(5, 12\).*\(frames, 45\)"),
        ("jaw_pose", np.zeros((FRAMES - 1, 3)), "jaw_pose has 4 frames, body_pose has 5"),
        ("transl", np.zeros((1, 3)), "transl has 1 frames, body_pose has 5"),
        ("transl", np.zeros(()), r"transl is \(\), expected \(frames, 3\)"),
        ("expression", np.zeros(10), r"expression is \(10,\), expected \(frames, numbers\)"),
        ("transl", np.full((FRAMES, 3), np.nan), "transl holds numbers that are not finite"),
        ("body_pose", np.full((FRAMES, 63), np.inf), "body_pose holds numbers that are not"),
        ("body_pose", np.full((FRAMES, 63), 1e300), "body_pose holds numbers that are not"),
        ("body_pose", np.zeros((0, 63)), "frames"),
        ("betas", np.zeros((1, 11)), r"betas is \(1, 11\), expected \(1, 10 or 16\)"),
        ("betas", np.zeros((2, 10)), "betas has 2 frames, body_pose has 5"),
        ("betas", np.zeros(()), r"betas is \(\), expected \(1, 10 or 16\)"),
        ("jaw_pose", np.array("open"), "jaw_pose does not hold numbers"),
        ("transl", np.array([{}], object), r"transl: it holds pickled objects"),
        ("fps", 0, r"fps is 0, expected one positive number"),
        ("fps", -30.0, r"fps is -30\.0, expected one positive number"),
        ("fps", np.nan, "fps is nan, expected one positive number"),
        ("fps", np.array([24, 25]), r"fps is \[24, 25\], expected one positive number"),
    ],
)
def test_a_bad_file_by_names(tmp_path: Path, key: str, value: Any, message: str) -> None:
    refused(tmp_path / "smpl_params.npz", avatarrex(), key, value, message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "poses",
            np.zeros((FRAMES, 72)),
            r"poses is \(5, 72\), expected \(frames, 156\) of SMPL-H",
        ),
        ("poses", np.zeros(()), r"poses is \(\), expected \(frames, 156\)"),
        ("poses", np.full((FRAMES, 165), np.nan), "poses holds numbers that are not finite"),
        ("poses", np.array([[None]], object), "poses: it holds pickled objects"),
        ("trans", None, "the key trans is missing"),
        ("trans", np.zeros((FRAMES, 2)), r"trans is \(5, 2\), expected \(5, 3\)"),
        ("trans", np.zeros((FRAMES + 1, 3)), r"trans is \(6, 3\), expected \(5, 3\)"),
        ("trans", np.full((FRAMES, 3), -np.inf), "trans holds numbers that are not finite"),
        ("betas", np.zeros(300), r"betas is \(300,\), expected \(1, 10 or 16\)"),
        ("betas", np.full(16, np.nan), "betas holds numbers that are not finite"),
        ("mocap_frame_rate", None, "the key mocap_framerate is missing"),
        ("mocap_frame_rate", 0.0, r"mocap_frame_rate is 0\.0, expected one positive number"),
    ],
)
def test_a_bad_file_of_amass(tmp_path: Path, key: str, value: Any, message: str) -> None:
    refused(tmp_path / "walk_stageii.npz", amass(), key, value, message)


def test_a_motion_is_given_by_name_or_by_file(tmp_path: Path) -> None:
    named, hybrid = (
        save(tmp_path / name, data())
        for name, data in (("avatarrex.npz", avatarrex), ("amass.npz", amass))
    )
    assert not is_amass(named) and is_amass(hybrid)
    walk = cycle("walk", 7, 20, seed=2)
    assert np.array_equal(given_motion("walk", 7, 20, seed=2).body_pose, walk.body_pose)
    assert len(given_motion(str(named), 7, 20)) == len(read_motion(named))
    with pytest.raises(InputError, match=r"^--motion: jump is none of walk, .*, nor a file"):
        given_motion("jump", 7, 20)


def test_a_motion_of_no_frames(tmp_path: Path) -> None:
    none = {k: v if k == "betas" else v[:0] for k, v in avatarrex().items()}
    with pytest.raises(InputError, match=r"a\.npz: body_pose holds no frames"):
        read_motion(save(tmp_path / "a.npz", none))
    none = {**amass(), "poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}
    with pytest.raises(InputError, match=r"b\.npz: poses holds no frames"):
        read_motion(save(tmp_path / "b.npz", none))


def test_not_a_motion(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match=r"a\.npz: not a readable npz file of a motion"):
        read_motion(path)
    for content in (b"", b"PK\x03\x04", b"\x80\x04]."):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz: not a readable npz file of a motion"):
            read_motion(path)
    np.save(tmp_path / "a.npy", np.zeros((5, 165)))
    with pytest.raises(InputError, match=r"a\.npy: not a readable npz file of a motion"):
        read_motion(tmp_path / "a.npy")


def refused(path: Path, arrays: dict[str, Any], key: str, value: Any, message: str) -> None:
    arrays = {k: v for k, v in {**arrays, key: value}.items() if v is not None}
    with pytest.raises(InputError, match=rf"{path.name}: .*{message}") as caught:
        read_motion(save(path, arrays))
    assert "\n" not in str(caught.value)
