"""People and their landmarks in photos, beside what MediaPipe itself answered."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hgm.errors import InputError
from hgm.images.photos.picture import PhotoPixels
from hgm.images.photos.pose import networks, published
from hgm.images.photos.pose.crops import Crop
from hgm.images.photos.pose.detector import Detector, anchors, one_each
from hgm.images.photos.pose.estimator import PoseEstimator
from hgm.images.photos.pose.fetching import take_out
from hgm.images.photos.pose.landmarks import LandmarkNetwork, corrected
from hgm.images.photos.pose.matting import PoseMask
from hgm.images.photos.pose.published import NAMES

fetched = pytest.mark.skipif(
    not all((published.FOLDER / network.name).is_file() for network in published.NETWORKS),
    reason="the networks are not there (make pose)",
)
# What mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) of MediaPipe
# 0.10.21 answers to scikit-image's astronaut: pixels, and meters about the hips.
MEDIAPIPE = {
    "nose": ((222.7, 128.0), (0.061, -0.614, -0.273)),
    "left_eye": ((248.9, 112.5), (0.071, -0.654, -0.257)),
    "right_eye": ((205.0, 103.3), (0.036, -0.651, -0.261)),
    "left_ear": ((268.0, 122.8), (0.121, -0.645, -0.146)),
    "right_ear": ((190.4, 107.4), (-0.038, -0.639, -0.164)),
    "mouth_left": ((233.8, 153.9), (0.082, -0.590, -0.231)),
    "mouth_right": ((205.8, 147.7), (0.036, -0.584, -0.236)),
    "left_shoulder": ((306.2, 256.6), (0.202, -0.460, -0.051)),
    "right_shoulder": ((112.7, 240.0), (-0.126, -0.458, -0.108)),
    "right_elbow": ((64.6, 413.6), (-0.192, -0.195, -0.141)),
}
MIDDLE, EDGE, ANGLE = (158.73, 524.01), 1254.9, 0.16009  # of the square that it looked at


def astronaut() -> np.ndarray:
    from skimage import data

    return data.astronaut()


def test_a_crop_samples_the_picture_and_its_points_lead_back():
    """A picture whose colors are its coordinates, sampled at turned places: linear, so exact."""
    rows, columns = np.indices((60, 80))
    rgb = np.stack([columns, rows, rows + columns], -1).astype(np.uint8)
    crop = Crop(np.array([40.0, 30.0]), 24.0, 0.4)
    seen = 255 * crop.cut(rgb, 8, repeated=True)
    for row, column in ((0, 0), (2, 7), (5, 1)):
        x, y = crop.to_picture(np.array([column, row]) / 8)
        angle = np.arctan2(column / 8 - 0.5, 0.5 - row / 8) + 0.4
        radius = 24 * np.hypot(column / 8 - 0.5, row / 8 - 0.5)
        assert np.allclose([x, y], [40 + radius * np.sin(angle), 30 - radius * np.cos(angle)])
        assert np.allclose(seen[row, column], [x, y, x + y], atol=1e-3)
    outside = Crop(np.array([0.0, 0.0]), 20.0)
    assert outside.cut(rgb, 4, repeated=False)[0, 0].max() == 0


def test_a_plane_is_pasted_where_it_was_cut():
    rgb = np.zeros((60, 80, 3), np.uint8)
    rgb[20:32, 30:50] = 255
    crop = Crop(np.array([41.0, 27.0]), 40.0, -0.7)
    back = crop.paste(crop.cut(rgb, 80, repeated=False)[..., 0], 60, 80)
    assert np.abs(back - rgb[..., 0] / 255).mean() < 0.02 and back[0, 0] == 0


def test_anchors_and_one_person_of_several_boxes():
    places = anchors(224)
    assert places.shape == (2254, 2) and np.allclose(
        places[:3], [[1 / 56] * 2] * 2 + [[3 / 56, 1 / 56]]
    )
    assert np.allclose(places[-6:], 13 / 14) and np.allclose(places[1568], 1 / 28)
    boxes = np.array([[[0, 0], [4, 4]], [[8, 0], [9, 1]], [[0, 0], [4, 5]]], float)
    found = one_each(np.array([0.6, 0.8, 0.9]), boxes)
    assert [score for score, _ in found] == [0.9, 0.8]
    assert np.allclose(found[0][1], [[0, 0], [4, (0.6 * 4 + 0.9 * 5) / 1.5]])


def test_a_clear_heat_map_corrects_a_place_and_a_faint_one_does_not():
    heat = np.zeros((64, 64, 2))
    heat[20, 31], heat[20, 33] = [0.9, 0.4], [0.3, 0.4]
    found = corrected(np.array([[0.5, 0.3], [0.5, 0.3]]), heat)
    assert np.allclose(found, [[(0.9 * 31 + 0.3 * 33) / 1.2 / 64, 20 / 64], [0.5, 0.3]])


@fetched
def test_landmarks_are_those_of_mediapipe():
    rgb = astronaut()
    (detection,) = Detector().find(rgb, Crop.around(512, 512))
    crop = detection.crop
    assert np.abs(crop.center - MIDDLE).max() < 4 and abs(crop.edge - EDGE) < 8
    assert abs(crop.angle - ANGLE) < 0.01
    person = LandmarkNetwork().read(rgb, Crop(np.array(MIDDLE), EDGE, ANGLE))
    step = EDGE / 256  # a pixel of the network's picture
    for name, (pixel, meters) in MEDIAPIPE.items():
        i = NAMES.index(name)
        assert np.abs(person.pixels[i] - pixel).max() < step, name
        assert np.abs(person.world[i] - meters).max() < 0.01 and person.visibility[i] > 0.7
    assert abs((person.coverage > 0.5).mean() - 0.434) < 0.02


@fetched
def test_two_people_half_a_person_and_nobody():
    estimator = PoseEstimator()
    person = Image.fromarray(astronaut())
    page = Image.new("RGB", (1300, 700), (90, 120, 150))
    page.paste(person, (60, 188))
    page.paste(person.resize((400, 400)), (800, 300))
    people = estimator.look(np.asarray(page))
    assert people.notes[0] == "2 people found; the largest is taken"
    assert people.notes[1].startswith("legs and feet outside the picture")
    nose = people.largest.pixels[NAMES.index("nose")]
    assert np.abs(nose - (222.7 + 60, 128 + 188)).max() < 15
    assert people.largest.coverage[:, 700:].max() < 0.5  # the other is not in the mask
    empty = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    assert estimator.look(empty) is None
    with pytest.raises(InputError, match="nobody found; give a photo of one person"):
        PoseMask(estimator).matte(PhotoPixels(empty, None))


@fetched
def test_a_large_picture_gives_what_a_small_one_gives():
    rgb = astronaut()
    large = np.asarray(Image.fromarray(rgb).resize((2560, 2560)))
    small, found = (PoseEstimator().look(picture).largest for picture in (rgb, large))
    seen = small.visibility > 0.9
    assert found.coverage.shape == (2560, 2560)
    assert np.abs(found.pixels / 5 - small.pixels)[seen].max() < 10


@fetched
def test_networks_that_are_missing_or_others_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"pose_detection\.tflite: no such file.*make pose"):
        PoseEstimator().look(astronaut())
    (tmp_path / "pose_detection.tflite").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"not the network that MediaPipe 0\.10\.21 has"):
        PoseEstimator().look(astronaut())


@fetched
def test_networks_are_taken_from_a_wheel_that_has_them(tmp_path):
    def wheel(**changes: bytes) -> Path:
        with zipfile.ZipFile(tmp_path / "w.whl", "w") as archive:
            for network in published.NETWORKS:
                content = (published.FOLDER / network.name).read_bytes()
                archive.writestr(network.member, changes.get(network.name[:8], content))
        return tmp_path / "w.whl"

    take_out(wheel(), tmp_path / "files")
    assert sorted(p.name for p in (tmp_path / "files").iterdir()) == sorted(
        network.name for network in published.NETWORKS
    )
    shutil.rmtree(tmp_path / "files")
    with pytest.raises(InputError, match=r"w\.whl: .*landmark_full\.tflite is not the published"):
        take_out(wheel(pose_lan=b"another"), tmp_path / "files")
