"""Photos of a real rig: any size, in squares, with heat maps that somebody brings."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.posegaussian.capture import Square, frame_key, frames_in, read_frame
from hgm.systems.posegaussian.heat_sources import HeatSource, heat_source
from hgm.systems.posegaussian.heatmaps import heat_map
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.rectify import rectify_pair
from hgm.systems.posegaussian.settings import HeatMaps

FRAME = "000123"
NAMES = ("cam_a", "7")
WIDTH, HEIGHT = 240, 160
SIZE = 96


@pytest.fixture
def root(rendered, tmp_path) -> Path:
    """The photos of a rendered pair as another rig took them: cut to 240 x 160 pixels before a gray
    wall, at 5/4 of the size; without depth."""
    files = PairFiles(rendered, "0000_000")
    for kind in ("img", "mask", "parm"):
        (tmp_path / kind / FRAME).mkdir(parents=True)
    for view, name in enumerate(NAMES):
        rgb, mask = files.picture(view)
        large = [cv2.resize(x, (240, 240), interpolation=cv2.INTER_AREA) for x in (rgb, mask)]
        wall = (128 * (1 - large[1][..., None] / 255)).astype(np.uint8)
        photo = (large[0] + wall)[40:200]
        cv2.imwrite(str(tmp_path / f"img/{FRAME}/{name}.jpg"), photo[..., ::-1], [1, 100])
        cv2.imwrite(str(tmp_path / f"mask/{FRAME}/{name}.png"), large[1][40:200])
        K, w2c = files.camera(view)
        K[:2] *= 240 / 192
        K[1, 2] -= 40
        np.save(tmp_path / f"parm/{FRAME}/{name}_intrinsic.npy", K)
        np.save(tmp_path / f"parm/{FRAME}/{name}_extrinsic.npy", w2c[:3])
    return tmp_path


def test_a_square_keeps_points_where_its_camera_sees_them():
    K = np.array([[200.0, 0, 118], [0, 205, 83], [0, 0, 1]])
    square = Square(WIDTH, HEIGHT, SIZE)
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)) * 0.2 + [0, 0, 2])
    cameras = [
        Cameras(torch.from_numpy(k), torch.eye(4, dtype=torch.float64), 1, 1)
        for k in (K, square.intrinsics(K))
    ]
    before, after = (camera.project(points)[0].numpy() for camera in cameras)
    assert np.allclose(square.points(before), after)
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[40:60, 100:140] = 255
    moved = square.picture(picture)
    assert moved.shape == (SIZE, SIZE)
    y, x = np.indices(moved.shape) + 0.5
    middle = [(x * moved).sum() / moved.sum(), (y * moved).sum() / moved.sum()]
    assert np.allclose(middle, square.points(np.array([[120.0, 50.0]]))[0], atol=0.05)


def test_photos_are_read_over_black_and_rectify(root, rendered):
    assert frames_in(root) == [FRAME]
    photos = read_frame(root, FRAME, NAMES, SIZE)
    assert photos.images.shape == (2, SIZE, SIZE, 3)
    assert (photos.images[photos.masks == 0] == 0).all()  # no wall
    assert photos.images[photos.masks > 250].mean() > 60
    pair = rectify_pair(photos)
    assert pair.flow is None and pair.size == SIZE
    # the same points as those of the rendered pair, by the other cameras
    files = PairFiles(rendered, "0000_000")
    seen = [
        K @ (w2c @ np.append(files.keypoints()[0], 1))[:3]
        for K, w2c in zip(pair.K, pair.world_to_camera, strict=True)
    ]
    assert seen[0][1] / seen[0][2] == pytest.approx(seen[1][1] / seen[1][2])
    assert np.array_equal(pair.source_K, photos.K)


def heat_of(root: Path, settings: HeatMaps) -> HeatSource:
    place = {"root": str(root), "cameras": list(NAMES), "size": SIZE}
    return heat_source("capture", settings, place, root)


def test_heat_maps_of_photos_are_detected_or_brought(root, tmp_path):
    points = np.random.default_rng(0).uniform([80, 20], [160, 140], (17, 2))
    settings = HeatMaps(source="predictions", folder=str(tmp_path / "found"), encoding="gray1")
    with pytest.raises(InputError, match=r"found/000123/cam_a\.json"):
        heat_of(root, settings).read(FRAME)
    (tmp_path / "found" / FRAME).mkdir(parents=True)
    before = heat_of(root, settings).digests(FRAME), frame_key(root, FRAME, NAMES)
    for name in NAMES:
        found = [{"keypoints": points.tolist(), "keypoint_scores": [1.0] * 17}]
        (tmp_path / "found" / FRAME / f"{name}.json").write_text(json.dumps(found))
    assert heat_of(root, settings).digests(FRAME) != before[0]
    assert frame_key(root, FRAME, NAMES) == before[1]
    drawn = heat_of(root, settings).read(FRAME)
    square = Square(WIDTH, HEIGHT, SIZE)
    assert np.array_equal(drawn[0], heat_map(square.points(points), SIZE, settings))

    brought = heat_of(root, HeatMaps(encoding="gray1", folder="elsewhere"))  # of fits
    (root / "heatmap" / FRAME).mkdir(parents=True)
    for name in NAMES:
        picture = np.full((HEIGHT, WIDTH), 90, np.uint8)
        cv2.imwrite(str(root / f"heatmap/{FRAME}/{name}.png"), picture)
    heat = brought.read(FRAME)
    assert heat.shape == (2, SIZE, SIZE, 1) and heat[0, SIZE // 2, SIZE // 2] == 90
    cv2.imwrite(str(root / f"heatmap/{FRAME}/7.png"), picture[:50])
    with pytest.raises(InputError, match=r"7\.png: 240 x 50 pixels, expected 240 x 160"):
        brought.read(FRAME)


def test_what_a_frame_lacks_is_one_line(root, tmp_path):
    intrinsic = root / f"parm/{FRAME}/7_intrinsic.npy"
    K = np.load(intrinsic)
    np.save(intrinsic, K * [[4], [4], [1]])  # of the camera's whole resolution
    with pytest.raises(InputError, match="outside of the picture of 240 x 160"):
        read_frame(root, FRAME, NAMES, SIZE)
    np.save(intrinsic, K)
    for names, reason in (
        (("cam_a", "8"), r"8\.jpg: no such photo; capture.cameras names its camera"),
        (NAMES, r"mask/000123/7\.png: no such mask"),
    ):
        (root / f"mask/{FRAME}/7.png").rename(root / "away.png")
        with pytest.raises(InputError, match=reason):
            read_frame(root, FRAME, names, SIZE)
        (root / "away.png").rename(root / f"mask/{FRAME}/7.png")
    with pytest.raises(InputError, match="no folder of a frame"):
        frames_in(tmp_path / "nothing")
