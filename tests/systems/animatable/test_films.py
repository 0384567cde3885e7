"""Films of an avatar: views, bounds on poses, fixed hands, files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from small_avatar import bent, design, egg, ring

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.filming import DISTANCE, Course
from hgm.images.video import read_video
from hgm.systems.animatable.animation import Bounds, Film, film_avatar, hand_points, shots_of
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.driving import course_of
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.views import (
    VIEWS,
    View,
    capture_camera,
    following_cameras,
    repeated,
)

FRAMES = 3


@pytest.fixture
def avatar() -> Avatar:
    """An avatar whose networks say something."""
    torch.manual_seed(0)
    made = Avatar(design(), egg())
    with torch.no_grad():
        for weights in made.networks.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    return made.requires_grad_(False).eval()


def film(avatar: Avatar, **more) -> Film:
    driven = bent(torch.linspace(0, 0.8, FRAMES))
    course, joints = course_of(driven.transforms, avatar.canonical.joints)
    cameras = following_cameras(View.of("front"), course, joints, 48)
    return Film(driven, course, cameras, 10, **more)


def test_a_film_and_all_that_belongs_to_it_is_written(avatar, tmp_path):
    for name in ("rgb/00000009.jpg", "gaussians_0009.ply"):  # of a longer one
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    film_avatar(avatar, film(avatar), tmp_path, plys=2, told={"motion": "nod"}, backend="torch")
    pictures = list(read_video(tmp_path / "rgb.mp4"))
    assert len(pictures) == FRAMES and pictures[0].shape == (48, 48, 3)
    assert sorted(p.name for p in (tmp_path / "rgb").iterdir()) == [
        f"{i:08d}.jpg" for i in range(FRAMES)
    ]
    masks = [np.asarray(Image.open(p)) for p in sorted((tmp_path / "mask").iterdir())]
    assert len(masks) == FRAMES and masks[0].max() > 150 and masks[0].min() == 0
    found = sorted(tmp_path.glob("*.ply"))
    assert [p.name for p in found] == ["gaussians_0000.ply", "gaussians_0002.ply"]
    upright = Gaussians.load_ply(found[0])
    # the egg's root is its center, which stands half a meter to the side
    assert upright.means.mean(0).abs().max() < 0.06
    said = json.loads((tmp_path / "film.json").read_text())
    assert said["motion"] == "nod" and said["frames"] == FRAMES and said["components"] == 0


def test_the_same_film_has_the_same_bytes(avatar, tmp_path):
    for name in ("a", "b"):
        film_avatar(avatar, film(avatar), tmp_path / name, plys=1, backend="torch")
    one, other = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
    )
    assert one == other and len(one) == 2 * FRAMES + 3


def test_poses_are_kept_inside_the_training_s(avatar):
    space = PoseSpace.fit(avatar.canonical, bent(torch.linspace(-0.3, 0.3, 9)).poses)
    bounds = Bounds(space, 20, 2.0)
    free, kept = (
        list(shots_of(avatar, film(avatar, bounds=b), backend="torch")) for b in (Bounds(), bounds)
    )
    assert not any(shot.beyond or shot.moved for shot in free)
    # no bend is the mean of the training; 0.8 rad are further outside than 0.4, and look alike
    assert [shot.beyond for shot in kept] == [False, True, True]
    assert kept[0].moved < kept[1].moved < kept[2].moved
    looks = [[shot.gaussians.opacities for shot in shots] for shots in (free, kept)]
    change = [(x[2] - x[1]).abs().max() for x in looks]
    assert change[1] < 0.5 * change[0]


def test_no_components_keep_a_pose_as_it_is(avatar):
    space = PoseSpace.fit(avatar.canonical, bent(torch.linspace(-0.3, 0.3, 9)).poses)
    none = Bounds(space, 0, 2.0)
    seen = torch.rand(1, 3, 16, 16)
    assert none.kept(seen) is seen and not none.beyond(seen).any()


def test_fixed_hands_are_those_of_another_pose(avatar):
    """Only the points of wrists and fingers have the other pose's looks; all move as they do."""
    weights = avatar.canonical.weights
    chosen = avatar.canonical.positions[:, 0] > 0.25
    weights[chosen] = 0
    weights[chosen, 20] = 0.4
    weights[chosen, 30] = 0.6
    assert torch.equal(hand_points(avatar), chosen) and 0 < chosen.sum() < len(chosen) / 2
    pose = bent(torch.tensor([1.2])).poses[0]
    own, fixed = (
        list(shots_of(avatar, film(avatar, hand_pose=hand), backend="torch"))
        for hand in (None, pose)
    )
    for a, b in zip(own, fixed, strict=True):
        same = (a.gaussians.opacities == b.gaussians.opacities) & (
            a.gaussians.means == b.gaussians.means
        ).all(-1)
        assert same[~chosen].all() and not same[chosen].any()
    looks = torch.stack([shot.gaussians.opacities[chosen] for shot in fixed])
    assert torch.allclose(looks, looks[:1].expand_as(looks))


def test_a_view_is_one_of_a_few_or_of_a_camera():
    assert View.of("free") == View("free") and View.of("camera:cam02") == View("camera", "cam02")
    for text in ("above", "free:cam02", ""):
        with pytest.raises(InputError, match=f"--view: {text} is none of {', '.join(VIEWS)}"):
            View.of(text)


def test_a_camera_of_the_capture_keeps_what_it_sees():
    cameras = ring(3)
    wide = {n: Cameras(c.K, c.world_to_camera, 32, 24) for n, c in cameras.items()}
    assert capture_camera(View.of("camera"), wide, ["cam1"], 64).world_to_camera.equal(
        wide["cam1"].world_to_camera
    )
    found = capture_camera(View.of("camera:cam2"), wide, ["cam1"], 64)
    assert (found.width, found.height) == (64, 48)
    point = torch.tensor([[0.4, 0.3, 0.1]])
    before, after = (c.project(point)[0] for c in (wide["cam2"], found))
    assert torch.allclose(2 * before, after, atol=1e-4)
    assert repeated(found, 5).shape == (5,)
    with pytest.raises(InputError, match="the capture has no camera x; it has cam0, cam1, cam2"):
        capture_camera(View.of("camera:x"), wide, [], 64)


def test_the_star_stands_before_the_camera():
    joints = np.array([[[0.0, 0.1, 0.0], [0.9, 0.5, 0.0], [-0.9, 0.5, 0.0]]])
    course = Course.of(joints[:, 0], np.eye(3)[None])
    cameras = following_cameras(View.of("cano"), course, joints, 100)
    pixels, depth = cameras.project(torch.from_numpy(joints).float())
    assert (pixels > 0).all() and (pixels < 100).all() and (depth - DISTANCE).abs().max() < 0.1
    assert pixels[0, 1, 0] > 50 > pixels[0, 2, 0]  # the person's left is at the right
