"""Canonical maps lie on the body of the star pose, follow it into every frame, and come back from
their file as they were."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.body.kinematics import skin
from hgm.body.model import BodyModel, PosedBody
from hgm.body.motion import Motion, cycle
from hgm.errors import InputError
from hgm.geometry.rays import RayMesh
from hgm.systems.animatable.canonical import ARRAYS, CanonicalMaps
from hgm.systems.animatable.frame_transforms import FrameTransforms, frame_transforms
from hgm.systems.animatable.pose_map import position_map

FRAMES = (2, 7, 11)


@pytest.fixture(scope="module")
def motion() -> Motion:
    """A person who turns, moves, speaks and bends all limbs."""
    moving = cycle("random", 12, seed=4)
    turns = np.linspace([0, 0, 0], [0.2, 2.0, -0.1], 12).astype(np.float32)
    return dataclasses.replace(
        moving,
        global_orient=turns,
        transl=np.linspace([0, 1, 2], [1, -1, 3], 12).astype(np.float32),
        betas=np.linspace(-1, 1, 10, dtype=np.float32)[None],
    )


@pytest.fixture(scope="module")
def frames(model: BodyModel, maps: CanonicalMaps, motion: Motion) -> FrameTransforms:
    return frame_transforms(model, motion, maps.rest_transforms, FRAMES)


def posed(model: BodyModel, motion: Motion, frame: int) -> PosedBody:
    with torch.no_grad():
        return model(motion[frame].parameters(model))


def test_legs_are_apart_by_25_degrees_each_and_arms_level(star: PosedBody) -> None:
    joints = star.joints.numpy()
    for side, knee, hip in ((1, 4, 1), (-1, 5, 2)):
        across, down, _ = joints[knee] - joints[hip]
        rest = np.linalg.inv(star.transforms[hip, :3, :3].numpy()) @ (joints[knee] - joints[hip])
        turn = np.arctan2(across, -down) - np.arctan2(rest[0], -rest[1])
        assert np.degrees(turn) == pytest.approx(25 * side, abs=1e-3)
    for wrist, shoulder in ((20, 16), (21, 17)):
        across, down, _ = joints[wrist] - joints[shoulder]
        assert abs(down / across) < 0.1


def test_front_and_back_have_one_silhouette_and_lie_on_the_body(
    model: BodyModel, star: PosedBody, maps: CanonicalMaps
) -> None:
    assert torch.equal(maps.mask[0], maps.mask[1])
    half = len(maps) // 2
    assert len(maps) == 2 * int(maps.mask[0].sum()) > 2000
    front, back = maps.positions[:half], maps.positions[half:]
    torch.testing.assert_close(front[:, :2], back[:, :2], atol=2e-5, rtol=0)
    assert (front[:, 2] >= back[:, 2] - 1e-5).all()
    # a pixel's center is the place of its point
    rows, columns = maps.mask[0].nonzero().T
    x = maps.center[0] + (columns + 0.5) / maps.size * 2 - 1
    y = maps.center[1] + 1 - (rows + 0.5) / maps.size * 2
    torch.testing.assert_close(front[:, :2], torch.stack([x, y], 1), atol=2e-5, rtol=0)
    surface = RayMesh(star.vertices.numpy(), model.faces.numpy())
    nearest, _ = surface.nearest(maps.positions.numpy())
    assert np.abs(nearest - maps.positions.numpy()).max() < 1e-5
    # nothing of the body is before what is seen of it
    ahead = maps.positions.numpy() + np.array([0.0, 0.0, 1e-3])
    toward = np.broadcast_to([0.0, 0.0, 1.0], ahead.shape)
    assert np.isinf(surface.distances(ahead, toward)[:half]).all()


def test_normals_look_outwards_and_weights_are_those_of_the_surface(
    model: BodyModel, star: PosedBody, maps: CanonicalMaps
) -> None:
    half = len(maps) // 2
    torch.testing.assert_close(maps.normals.norm(dim=1), torch.ones(len(maps)), atol=1e-5, rtol=0)
    assert maps.normals[:half, 2].mean() > 0.5 and maps.normals[half:, 2].mean() < -0.5
    torch.testing.assert_close(maps.weights.sum(1), torch.ones(len(maps)), atol=1e-5, rtol=0)
    # where a vertex of the model is on a pixel, the weights are the vertex's
    distance, index = torch.cdist(star.vertices, maps.positions).min(1)
    near = distance < 2e-3
    off = (model.skinning_weights[near] - maps.weights[index[near]]).abs().max(1).values
    assert near.sum() > 50 and off.mean() < 0.02


def test_points_follow_the_posed_body(
    model: BodyModel, maps: CanonicalMaps, motion: Motion, frames: FrameTransforms
) -> None:
    for row, frame in enumerate(FRAMES):
        live = posed(model, motion, frame).vertices[0].numpy() + motion.transl[frame]
        moved = skin(maps.positions, maps.weights, frames.transforms[row]).numpy()
        nearest, _ = RayMesh(live, model.faces.numpy()).nearest(moved)
        assert np.linalg.norm(nearest - moved, axis=1).mean() < 1e-3


def test_transforms_are_those_of_the_body_model(
    model: BodyModel, maps: CanonicalMaps, motion: Motion, frames: FrameTransforms
) -> None:
    for row, frame in enumerate(FRAMES):
        wanted = posed(model, motion, frame).transforms[0].clone()
        wanted[:, :3, 3] += torch.from_numpy(motion.transl[frame])
        found = frames.transforms[row] @ maps.rest_transforms
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)
        assert frames.index(frame) == row
    with pytest.raises(InputError, match="frame 3: its pose"):
        frames.index(3)


def test_a_pose_s_map_knows_neither_root_nor_fingers(
    model: BodyModel, maps: CanonicalMaps, motion: Motion, frames: FrameTransforms
) -> None:
    other = dataclasses.replace(
        motion,
        global_orient=motion.global_orient[::-1] + 0.4,
        transl=5 - motion.transl,
        left_hand_pose=motion.left_hand_pose + 0.3,
    )
    again = frame_transforms(model, other, maps.rest_transforms, FRAMES)
    torch.testing.assert_close(again.poses, frames.poses, atol=1e-6, rtol=0)
    assert (again.transforms - frames.transforms).abs().max() > 0.5
    # and is that of a body which is posed so
    still = dataclasses.replace(
        motion,
        global_orient=0 * motion.global_orient,
        left_hand_pose=0 * motion.left_hand_pose,
        right_hand_pose=0 * motion.right_hand_pose,
    )
    wanted = posed(model, still, FRAMES[1]).transforms[0]
    torch.testing.assert_close(frames.poses[1] @ maps.rest_transforms, wanted, atol=2e-5, rtol=0)


def test_a_pose_s_map_is_the_front_moved_at_half_the_size(
    maps: CanonicalMaps, frames: FrameTransforms
) -> None:
    found = position_map(maps, frames.poses)
    assert found.shape == (len(FRAMES), 3, 48, 48)
    for row in range(len(FRAMES)):
        moved = skin(maps.positions, maps.weights, frames.poses[row]) - maps.center
        wanted = maps.grid(moved)[0, :, ::2, ::2]
        torch.testing.assert_close(found[row], wanted, atol=1e-6, rtol=0)
    torch.testing.assert_close(position_map(maps, frames.poses[1]), found[1], atol=0, rtol=0)
    pose = frames.poses[:1].double().requires_grad_()
    exact = dataclasses.replace(
        maps, **{name: getattr(maps, name).double() for name in ("positions", "weights", "center")}
    )
    position_map(exact, pose).square().sum().backward()
    assert pose.grad is not None and pose.grad.abs().sum() > 0


def test_values_of_points_and_maps_are_the_same_numbers(maps: CanonicalMaps) -> None:
    values = torch.randn(3, len(maps), 5)
    pictures = maps.grid(values)
    assert pictures.shape == (3, 2, 5, 96, 96)
    assert torch.equal(maps.pick(pictures), values)
    assert not pictures.movedim(2, -1)[:, ~maps.mask].any()
    # row by row, the front first
    numbers = maps.grid(torch.arange(len(maps))[:, None])
    assert torch.equal(numbers[:, 0][maps.mask], torch.arange(len(maps)))


def test_a_file_gives_the_same_maps_and_the_same_bytes(
    maps: CanonicalMaps, frames: FrameTransforms, tmp_path: Path
) -> None:
    for name in ("a.npz", "b.npz"):
        maps.save(tmp_path / name)
        frames.save(tmp_path / f"frames_{name}")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = CanonicalMaps.load(tmp_path / "a.npz")
    for name in ARRAYS:
        assert torch.equal(getattr(found, name), getattr(maps, name))
    again = FrameTransforms.load(tmp_path / "frames_a.npz")
    assert again.frames == FRAMES
    assert torch.equal(again.transforms, frames.transforms)
    assert torch.equal(again.poses, frames.poses)


def test_damaged_files_are_named(maps: CanonicalMaps, tmp_path: Path) -> None:
    path = tmp_path / "canonical.npz"
    arrays = {name: getattr(maps, name).numpy() for name in ARRAYS}
    np.savez(path, **{**arrays, "positions": arrays["positions"][1:]})
    with pytest.raises(InputError, match=r"canonical.npz: positions is not \(\d+, 3\)"):
        CanonicalMaps.load(path)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "joints"})
    with pytest.raises(InputError, match="the key joints is missing"):
        CanonicalMaps.load(path)
    np.savez(path, frames=np.arange(2), transforms=np.zeros((2, 55, 4, 4)))
    with pytest.raises(InputError, match="the key pose_transforms is missing"):
        FrameTransforms.load(path)
