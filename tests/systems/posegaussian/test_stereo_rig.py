"""Cameras and place of a scan's pairs: the numbers of GPS-Gaussian's renderer."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hgm.errors import ScanError
from hgm.systems.posegaussian.rig import (
    heading_of,
    pair_cameras,
    placed,
    ratio_of,
    spacing,
)
from hgm.systems.posegaussian.settings import Pairs

PAPER = Pairs()


def test_the_cameras_have_the_numbers_of_the_release():
    cameras = pair_cameras(PAPER, "0000", 0, heading=0.0, seed=0)
    eyes = cameras.centers.numpy()
    axes = cameras.world_to_camera[:, 2, :3].numpy()
    assert cameras.width == cameras.height == 1024
    K = np.array([[819.2, 0, 512], [0, 819.2, 537], [0, 0, 1]])
    assert np.allclose(cameras.K.numpy(), K)
    assert np.allclose(eyes + 2.0 * axes, [0, 0.85, 0])  # 2 m from what they look at
    assert np.allclose(np.degrees(np.arcsin(axes[:, 1])), -8)


def test_view_3_is_halfway_and_the_others_are_in_their_halves():
    ratios = []
    for pair in range(16):
        w2c = pair_cameras(PAPER, "0000", pair, heading=40.0, seed=0).world_to_camera.numpy()
        assert spacing(w2c[0], w2c[1]) == pytest.approx(22.5)
        ratios.append([ratio_of(w2c[0], w2c[1], between) for between in w2c[2:]])
        right = w2c[0] @ np.append(np.linalg.inv(w2c[1])[:3, 3], 1)
        assert right[0] > 0.7  # the second camera stands to the right of the first
    first, halfway, second = np.array(ratios).T
    assert np.allclose(halfway, 0.5)
    assert 0 < first.min() < 0.25 < first.max() < 0.5
    assert 0.5 < second.min() < 0.75 < second.max() < 1


def test_pairs_begin_at_equal_steps_from_the_front():
    def azimuth(pair: int, heading: float) -> float:
        eye = pair_cameras(PAPER, "0007", pair, heading=heading, seed=0).centers[0].numpy()
        return float(np.degrees(np.arctan2(eye[0], eye[2])))

    starts = np.array([azimuth(pair, 0.0) for pair in range(16)])
    assert abs(starts[0]) <= 11.25
    assert np.allclose((starts - starts[0]) % 360, 22.5 * np.arange(16))
    assert azimuth(0, 90.0) == pytest.approx(starts[0] + 90)


def test_draws_depend_on_seed_scan_and_pair_alone():
    def novel(scan: str, pair: int, seed: int, degrees: float = 22.5) -> float:
        rig = Pairs(degrees=degrees)
        w2c = pair_cameras(rig, scan, pair, heading=0.0, seed=seed).world_to_camera.numpy()
        return ratio_of(w2c[0], w2c[1], w2c[2])

    same = novel("0001", 0, 0)
    assert novel("0001", 0, 0) == same
    assert novel("0001", 0, 0, degrees=45.0) == pytest.approx(same, abs=0.01)  # along the chord
    others = [novel("0002", 0, 0), novel("0001", 1, 0), novel("0001", 0, 1)]
    assert min(abs(other - same) for other in others) > 1e-3


@pytest.mark.parametrize("wide", [False, True])
def test_a_scan_stands_on_the_ground_at_the_height_of_the_release(wide):
    random = np.random.default_rng(0)
    vertices = random.uniform(0, 1, (1000, 3)) * [2.0 if wide else 0.5, 1.7, 0.3] * 100 + 7
    heights, moves = [], []
    for i in range(40):
        transform = placed(vertices, 0, f"{i:04d}")
        points = vertices @ transform[:3, :3].T + transform[:3, 3]
        assert np.allclose(transform[:3, :3], transform[0, 0] * np.eye(3))
        low, high = points.min(0), points.max(0)
        assert low[1] == pytest.approx(0)
        heights.append(high[1])
        moves.append(((low + high) / 2)[[0, 2]])
    assert 1.75 <= min(heights) < 1.77 and 1.83 < max(heights) <= 1.85
    tall = np.array(heights) >= 1.80
    for who, reach in ((tall, 0.01 if wide else 0.05), (~tall, 0.01 if wide else 0.10)):
        sizes = np.abs(np.array(moves)[who])
        # evenly from the middle to the border
        assert sizes.max() <= reach + 1e-9
        assert sizes.min() < 0.2 * reach and sizes.max() > 0.8 * reach
    assert len(np.unique(np.sign(moves), axis=0)) == 4


def test_the_place_between_cameras_that_look_the_same_way():
    """An ordinary stereo rig: no angle says how far a camera is on the way."""
    w2c = np.tile(np.eye(4), (3, 1, 1))
    w2c[:, :3, :3] = Rotation.from_euler("xyz", [10, 70, -5], degrees=True).as_matrix()
    for pose, x in zip(w2c, (0.1, 0.9, 0.3), strict=True):
        pose[:3, 3] = -pose[:3, :3] @ [x, 0.5, -2]
    assert ratio_of(*w2c) == pytest.approx(0.25)
    assert spacing(w2c[0], w2c[1]) == pytest.approx(0, abs=1e-6)


def test_the_heading_is_where_the_body_faces():
    turn = Rotation.from_euler("YX", [70, 20], degrees=True)  # bent forward, then turned
    assert heading_of(turn.as_rotvec()) == pytest.approx(70)


def test_a_flat_scan_is_refused():
    with pytest.raises(ScanError, match="one height"):
        placed(np.ones((4, 3)), 0, "0000")


def test_pairs_at_another_angle_begin_where_those_of_the_training_do():
    def first(degrees: float) -> np.ndarray:
        rig = Pairs(per_scan=8, degrees=degrees)
        return pair_cameras(rig, "0505", 3, heading=30.0, seed=0).centers[0].numpy()

    assert np.array_equal(first(22.5), first(45.0))
