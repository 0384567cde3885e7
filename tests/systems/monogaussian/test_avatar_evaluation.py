"""Measures of an avatar on a clip that shows the avatar itself, so that what they must be is known;
and its films."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_head import motion, subject, tiny

from hgm.gaussians import Gaussians
from hgm.images.views import load_image
from hgm.systems.monogaussian.animation import film_avatar, frames_of
from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.driving import Driving
from hgm.systems.monogaussian.evaluation import (
    Means,
    erode_dilate,
    evaluate_avatar,
    landmark_box,
)
from hgm.systems.monogaussian.footage import Footage, rendered
from hgm.systems.monogaussian.held_out import HeldOut
from hgm.systems.monogaussian.settings import Evaluate
from hgm.systems.monogaussian.variants import VARIANTS

SIZE = 32
FRAMES = 3
# evenly, in the picture's middle: 20 of 32 pixels and a margin
MOUTH = np.stack([np.linspace(-0.5, 0.5, 20), np.linspace(-0.4, 0.4, 20)], 1)


@pytest.fixture(scope="module")
def avatar() -> HeadAvatar:
    head = subject(motion(20)[0])
    torch.manual_seed(0)
    design = Design.of(tiny(), VARIANTS["bound"], SIZE)
    avatar = HeadAvatar(design, head.vertices[::20].clone(), head.skeleton, head.directions)
    avatar.geometry.color[-1].weight.data *= 20
    avatar.find_nearest(head)
    avatar.radius.fill_(0.05)
    return avatar.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def clip(avatar, tmp_path_factory) -> Clip:
    """Frames that show the avatar, the left half as clothes."""
    folder = tmp_path_factory.mktemp("subject") / "clip"
    expression, pose = motion(FRAMES, seed=9)
    world_to_camera = np.tile(np.diag([1.0, -1, -1, 1]), (FRAMES, 1, 1))
    world_to_camera[:, 2, 3] = 3
    landmarks = np.zeros((FRAMES, 70, 2))
    landmarks[:, 36:48] = MOUTH[:12] - 0.1
    landmarks[:, 48:68] = MOUTH
    arrays = {
        "focal": np.full((FRAMES, 2), 1.6),
        "center": np.full((FRAMES, 2), 0.5),
        "world_to_camera": world_to_camera,
        "keypoints": landmarks,
    }
    clip = Clip(
        name="clip",
        names=("1", "2", "3"),
        folders=(folder,) * FRAMES,
        shape=np.zeros(100, np.float32),
        expression=expression.numpy(),
        pose=pose.numpy(),
        **{name: array.astype(np.float32) for name, array in arrays.items()},
    )
    shown = rendered(avatar(expression, pose), clip.cameras(SIZE), None, "torch")
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[:, : SIZE // 2] = 16
    for i, picture in enumerate((shown.clamp(0, 1) * 255).round().byte().movedim(1, -1).numpy()):
        for kind, data in (
            ("image", picture), ("mask", np.full_like(labels, 255)), ("semantic", labels),
        ):  # fmt: skip
            clip.path(kind, i).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data).save(clip.path(kind, i))
    return clip


def measured(avatar, clip: Clip, out: Path, protocol: str = "frozen", **more):
    return evaluate_avatar(
        avatar,
        clip,
        ClipPictures([clip], SIZE),
        out,
        subject="subject1",
        variant="bound",
        protocol=protocol,
        settings=Evaluate(refine_steps=30, refine_lr=0.01),
        training=tiny(),
        standin=True,
        **more,
    )


def test_the_clips_own_avatar_is_measured_as_equal(avatar, clip, tmp_path):
    record = measured(avatar, clip, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == record
    assert record["system"] == "monogaussian" and record["standin"] is True
    assert set(record["images"]) == {"full", "no_cloth", "mouth", "eyes"}
    full = record["images"]["full"]["standard"]
    assert full["mae"] < 1.5 / 255 and full["psnr"] > 45 and full["ssim"] > 0.99
    assert full["lpips"] is None
    assert record["images"]["full"]["released_code"]["psnr"] < full["psnr"]
    for i, name in enumerate(clip.names):
        shown = load_image(tmp_path / "frames" / f"{name}.png")
        assert float((shown - load_image(clip.path("image", i))).abs().max()) < 2 / 255


def test_numbers_are_means_over_frames_of_pictures_regions(avatar, clip, tmp_path):
    other = dataclasses.replace(clip, pose=np.zeros_like(clip.pose))
    images = measured(avatar, other, tmp_path)["images"]
    squares, half, box = [], [], []
    for i, name in enumerate(clip.names):
        shown = load_image(tmp_path / "frames" / f"{name}.png").numpy()
        square = (shown - load_image(clip.path("image", i)).numpy()) ** 2
        squares.append(square.mean())
        half.append(square[:, :, SIZE // 2 :].sum() / square.size)
        # 8 to 24 and 9.6 to 22.4 pixels, with a quarter of 16 on each side
        box.append(square[:, 5:27, 4:28].mean())
    for region, values in (("full", squares), ("no_cloth", half), ("mouth", box)):
        expected = np.mean(-10 * np.log10(values))
        assert images[region]["standard"]["psnr"] == pytest.approx(expected, abs=0.1)


def test_imavatars_protocol_fits_what_the_clip_says(avatar, clip, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.03, clip.pose.shape).astype(np.float32)
    other = dataclasses.replace(clip, pose=clip.pose + noise)
    frozen = measured(avatar, other, tmp_path / "a")["images"]["full"]["standard"]
    fitted = measured(avatar, other, tmp_path / "b", "imavatar")["images"]["full"]["standard"]
    assert fitted["mae"] < 0.8 * frozen["mae"] and fitted["psnr"] > frozen["psnr"] + 1


def test_other_cameras_are_measured_by_themselves(avatar, clip, tmp_path):
    """One of them stands where the clip's camera does and saw nothing but white."""
    matrix = clip.world_to_camera[:1].repeat(2, 0)
    matrix[1, 0, 3] = 0.5
    numbers = clip.focal[:1].repeat(2, 0), clip.center[:1].repeat(2, 0), matrix
    held_out = HeldOut(tmp_path / "clip", ("2",), ("left", "right"), *numbers)
    for camera in held_out.cameras:
        path = held_out.path(camera, "2")
        path.parent.mkdir(parents=True)
        Image.fromarray(np.full((SIZE, SIZE, 3), 255, np.uint8)).save(path)
    images = measured(avatar, clip, tmp_path, held_out=held_out)["images"]
    shown = [load_image(tmp_path / f"frames/2_{camera}.png") for camera in held_out.cameras]
    expected = [float((1 - picture).abs().mean()) for picture in shown]
    found = [images[f"held_out_{camera}"]["standard"]["mae"] for camera in held_out.cameras]
    assert found == pytest.approx(expected, abs=2e-3)
    assert images["held_out"]["standard"]["mae"] == pytest.approx(np.mean(found))
    assert torch.equal(shown[0], load_image(tmp_path / "frames/2.png"))


def test_an_avatar_that_is_filmed_itself_moves_the_same_pixels(avatar, clip, tmp_path):
    lone = dataclasses.replace(clip, pose=np.zeros_like(clip.pose))
    expression = torch.zeros(3, 50)
    expression[1, 0], expression[2, 1] = 20, -20
    film = Footage(expression, torch.zeros(3, 15), lone.cameras(SIZE), Shown())
    gaussians = avatar(film.expression, film.pose)
    Shown.pictures = rendered(gaussians, film.cameras, None, "torch").clamp(0, 1)
    found = measured(avatar, clip, tmp_path, lone=film, head=subject(motion(20)[0]))["movement"]
    assert set(found) == {"expressions"}  # a bound avatar has learned no skinning
    assert {row["expression"] for row in found["expressions"]} == {0, 1}
    for row in found["expressions"]:
        assert row["pixels"] > 10 and row["iou"] > 0.95


class Shown:
    """Pictures of a footage."""

    pictures: torch.Tensor

    def image(self, frame: int) -> torch.Tensor:
        return (self.pictures[frame] * 255).round().byte()


def test_erosion_and_dilation_are_the_least_and_the_largest():
    image = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(0)).numpy()[0]
    from scipy.ndimage import grey_dilation, grey_erosion

    eroded = np.stack([grey_erosion(c, size=3, mode="constant", cval=np.inf) for c in image])
    expected = np.stack([grey_dilation(c, size=3, mode="constant", cval=-np.inf) for c in eroded])
    np.testing.assert_array_equal(erode_dilate(torch.from_numpy(image)[None])[0].numpy(), expected)


def test_a_box_outside_the_picture_measures_nothing():
    assert landmark_box(np.array([[2.0, 2.0], [2.5, 2.5]]), 64) == (64, 64, 64, 64)
    means = Means(None)
    means.add("mouth", "standard", torch.zeros(1, 3, 0, 0), torch.zeros(1, 3, 0, 0))
    assert means.table() == {}


def test_a_film_and_its_clouds(avatar, clip, tmp_path):
    driving = Driving.orbit(clip, 4)
    for name in ("one", "two"):
        film_avatar(avatar, driving, tmp_path / name, size=SIZE, fps=10)
    for name in ("rgb.mp4", "canonical.ply", "deformed.ply"):
        data = (tmp_path / "one" / name).read_bytes()
        assert data and data == (tmp_path / "two" / name).read_bytes()
    first = Gaussians.load_ply(tmp_path / "one/deformed.ply")
    shown = torch.from_numpy(driving.expression[:1]), torch.from_numpy(driving.pose[:1])
    torch.testing.assert_close(first.means, avatar(*shown).means[0])
    still = Gaussians.load_ply(tmp_path / "one/canonical.ply")
    torch.testing.assert_close(still.means, avatar.points.detach())


def test_a_clips_film_shows_what_is_measured(avatar, clip):
    for i, (_, picture) in enumerate(frames_of(avatar, Driving.from_clip(clip), SIZE)):
        assert float((picture - load_image(clip.path("image", i))).abs().max()) < 2 / 255
