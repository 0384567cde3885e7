"""Measures of an avatar, against numbers that numpy computes from the files it leaves."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from small_avatar import CENTER, Kept, bent, design, egg, ring

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.animatable import evaluation
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.evaluation import BENT, Measuring, covered, discs, evaluate_avatar
from hgm.systems.animatable.frame_transforms import FrameTransforms

EDGE = 40
ANGLES = torch.tensor([0.0, 0.5, 1.0])
RADIUS = 0.2


@dataclass
class Seen:
    """The egg as a capture."""

    film: Kept
    missing: set = field(default_factory=set)
    root: Path = Path("egg")
    motion: None = None

    @property
    def cameras(self) -> dict[str, Cameras]:
        return self.film.cameras

    def has(self, camera: str, frame: int) -> bool:
        return (camera, frame) not in self.missing

    def picture(self, camera: str, frame: int):
        return self.film.picture(camera, frame)


@pytest.fixture
def capture(monkeypatch) -> Seen:
    moving = bent(ANGLES)

    def chosen(model, motion, star, frames) -> FrameTransforms:
        rows = list(frames)
        return FrameTransforms(tuple(rows), moving.transforms[rows], moving.poses[rows])

    monkeypatch.setattr(evaluation, "frame_transforms", chosen)
    return Seen(Kept(moving, ANGLES, ring(2, EDGE)))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    torch.manual_seed(0)
    maps = egg()
    for k, joint in enumerate(BENT):  # two to the sides, two below
        maps.joints[joint] = CENTER + torch.tensor([0.25 * (-1) ** k, -0.3 * (k > 1), 0.0])
    made = Avatar(design(), maps)
    with torch.no_grad():
        for weights in made.networks.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    return made.requires_grad_(False).eval()


def measured(avatar: Avatar, capture: Seen, out: Path, shots, **more) -> dict:
    measuring = Measuring(RADIUS, backend="torch")
    evaluate_avatar(
        *(avatar, capture, None, shots, out, measuring),
        **{"variant": "full", "split": "novel_pose", "standin": True, **more},
    )
    return json.loads((out / "metrics.json").read_text())


def circles_of(camera: Cameras, frame: int, avatar: Avatar) -> list[tuple[float, float, float]]:
    """Where a camera sees balls around the joints, by hand."""
    K, w2c = (x.double().numpy() for x in (camera.K, camera.world_to_camera))
    found = []
    for joint in BENT:
        T = bent(ANGLES).transforms[frame, joint].double().numpy()
        place = T @ [*avatar.canonical.joints[joint].double().numpy(), 1]
        x, y, z, _ = w2c @ place
        found.append((K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2], K[0, 0] * RADIUS / z))
    return found


def ssim_of(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM of pictures [H, W, 3] where the window of 11 pixels is inside."""

    def blur(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (1.5, 1.5, 0), truncate=5 / 1.5)[5:-5, 5:-5]

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    index = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(index.mean())


def test_numbers_are_those_of_the_pictures(avatar, capture, tmp_path):
    shots = [(camera, frame) for frame in (0, 2) for camera in capture.cameras]
    record = measured(avatar, capture, tmp_path, shots)
    assert record["pictures"] == 4 and record["frames"] == 2 and len(record["shown"]) == 4
    wanted: dict[tuple[str, str], list[float]] = {}
    y, x = np.mgrid[:EDGE, :EDGE] + 0.5
    for camera, frame in shots:
        name = f"{camera}_{frame:08d}.png"
        ours, truth = (
            np.asarray(Image.open(tmp_path / kind / name), float) / 255
            for kind in ("frames", "truth")
        )
        picture = capture.picture(camera, frame)
        alpha = picture.alpha[0].numpy() / 255.0
        rgb = picture.rgb.movedim(0, -1).numpy() / 255.0
        composed = rgb * alpha[..., None] + 1 - alpha[..., None]
        assert np.abs(composed - truth).max() < 1 / 255
        rows, columns = np.nonzero(alpha > 0.5)
        grow = round(0.05 * max(np.ptp(rows) + 1, np.ptp(columns) + 1))
        box = (
            slice(max(rows.min() - grow, 0), rows.max() + 1 + grow),
            slice(max(columns.min() - grow, 0), columns.max() + 1 + grow),
        )
        circles = circles_of(capture.cameras[camera], frame, avatar)
        near = np.any([(x - u) ** 2 + (y - v) ** 2 < r**2 for u, v, r in circles], 0)
        kept = np.array(record["shown"][name[:-4]]) * EDGE
        np.testing.assert_allclose(kept, circles, atol=1e-2)
        regions = {
            "full": (ours, truth),
            "person_box": (ours[box], truth[box]),
            "crease": (ours[near & (alpha > 0.5)], truth[near & (alpha > 0.5)]),
        }
        assert 10 < len(regions["crease"][0]) < (alpha > 0.5).sum()
        for region, (a, b) in regions.items():
            wanted.setdefault((region, "psnr"), []).append(-10 * np.log10(np.mean((a - b) ** 2)))
            wanted.setdefault((region, "mae"), []).append(np.abs(a - b).mean())
            if region != "crease":
                wanted.setdefault((region, "ssim"), []).append(ssim_of(a, b))
    for (region, name), values in wanted.items():
        found = record["images"][region]["standard"][name]
        assert found == pytest.approx(np.mean(values), abs=0.06 if name == "psnr" else 4e-3)
    assert record["images"]["person_box"]["standard"]["lpips"] is None
    assert set(record["cameras"]) == set(capture.cameras) and record["kid"] is None


def test_no_picture_that_a_capture_lacks_is_measured(avatar, capture, tmp_path):
    capture.missing = {("cam0", 1)}
    record = measured(avatar, capture, tmp_path, [("cam0", 1), ("cam1", 1)])
    assert record["pictures"] == 1 and list(record["cameras"]) == ["cam1"]
    assert set(capture.film.asked) == {("cam1", 1)}
    capture.missing = {("cam0", 1), ("cam1", 1)}
    with pytest.raises(InputError, match="no picture of the split novel_pose is there"):
        measured(avatar, capture, tmp_path, [("cam0", 1), ("cam1", 1)])


def test_old_pictures_do_not_stay(avatar, capture, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/old.png").touch()
    measured(avatar, capture, tmp_path, [("cam0", 0)])
    assert [p.name for p in (tmp_path / "frames").iterdir()] == ["cam0_00000000.png"]


def test_a_disc_is_a_ball_s_picture():
    camera = ring(1, 100)["cam0"]
    joints = torch.tensor([[0.5, 0.1, 0.0], [0.5, 0.1, 5.0]])  # the second behind the camera
    circles = discs(joints, camera, 0.25)
    assert circles[0].tolist() == pytest.approx([50, 50, 12.0], abs=1e-3) and circles[1, 2] == 0
    area = covered(circles, 100, 100)
    assert area.sum() == pytest.approx(np.pi * 12**2, rel=0.02)
