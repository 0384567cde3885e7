"""Two photos of a user: of a ball in front of a plain background, of which every picture is
known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ball_pairs import Knowing, known_flow, rig, seen
from PIL import ExifTags, Image
from user_photos import HEIGHT, WIDTH, photographed, write_rig

from hgm.errors import InputError
from hgm.images.photos.sources import find_photos
from hgm.metrics.images import psnr
from hgm.systems.posegaussian.between import between
from hgm.systems.posegaussian.meeting import Meeting, check_meeting
from hgm.systems.posegaussian.rig_file import read_rig
from hgm.systems.posegaussian.stereo import (
    read_pair,
    show_photos,
    upright_size,
)

SIZE = 64
CONFIG = {
    "pairs": {"size": SIZE, "degrees": 22.5},
    "rectify": {"centers": "half"},
    "between": {"frames": 2, "fps": 5},
    "splat": "auto",
}


def trained(pair=None):
    """Networks of a run that sees no heat maps."""
    network = None if pair is None else Knowing(pair)
    return SimpleNamespace(network=network, variant="none", config=CONFIG, sees_heat=False)


def read(paths, rig_file: Path):
    return read_pair(find_photos(paths), read_rig(rig_file), trained())


@pytest.fixture(scope="module")
def cameras():
    return rig(size=WIDTH)


@pytest.fixture(scope="module")
def taken(cameras, tmp_path_factory):
    return photographed(tmp_path_factory.mktemp("photos"), cameras)


def test_a_rectified_pair_is_what_its_cameras_would_have_seen(taken):
    pair, notes = read(*taken)
    assert notes == []
    for view in (0, 1):
        color, mask, _ = seen(pair.K[view], pair.world_to_camera[view], SIZE)
        # half a pixel off it is 0.022 to 0.025 of both
        assert np.abs(pair.masks[view] / 255 - mask).mean() < 0.018
        assert np.abs(pair.images[view] / 255 - color).mean() < 0.015
    for view in (0, 1):
        color, mask, _ = seen(pair.source_K[view], pair.source_world_to_camera[view], SIZE)
        rows, columns = (np.flatnonzero((mask > 0.5).any(axis)) for axis in (1, 0))
        assert rows[0] + rows[-1] == pytest.approx(SIZE - 1, abs=1)
        assert columns[0] + columns[-1] == pytest.approx(SIZE - 1, abs=1)


def test_views_between_show_the_ball(taken, tmp_path):
    pair, _ = read(*taken)
    known = known_flow(pair)
    show_photos(trained(known), pair, tmp_path, stem="left", ratios=[0.5])
    camera = between(pair.source_cameras, [0.5]).resized(2 * SIZE)
    color, _, _ = seen(camera.K[0].numpy(), camera.world_to_camera[0].numpy(), 2 * SIZE)
    shown = np.asarray(Image.open(tmp_path / "left_novel.jpg")) / 255
    pictures = (torch.from_numpy(x).movedim(-1, 0)[None] for x in (shown, color))
    assert float(psnr(*pictures)) > 22
    names = {path.name for path in tmp_path.iterdir()}
    assert {"gaussians.ply", "points.ply", "disparity.png", "between.mp4", "rectified.png"} < names
    show_photos(trained(known), pair, tmp_path, stem="left", ratios=[0.0, 1.0])
    assert {"left_novel_00.jpg", "left_novel_01.jpg"} < {p.name for p in tmp_path.iterdir()}
    with pytest.raises(InputError, match="from 0"):
        show_photos(trained(known), pair, tmp_path, stem="left", ratios=[2.0])


@pytest.mark.parametrize("degrees", [12.0, 40.0])
def test_a_spacing_far_from_the_trainings_is_said_with_both_figures(tmp_path, degrees):
    _, [note] = read(*photographed(tmp_path, rig(degrees, WIDTH)))
    # the ball is nearer to the cameras than what they look at, so they see it from further apart
    angle = float(note.split("from ")[1].split(" degrees")[0])
    assert degrees < angle < 1.5 * degrees and "trained at 22.5;" in note


@pytest.mark.parametrize("degrees, count", [(16.9, 0), (28.1, 0), (16.8, 1), (28.2, 1)])
def test_a_quarter_is_far(degrees, count):
    meeting = Meeting(degrees, (2.0, 2.0), 0.0)
    assert len(check_meeting(meeting, 22.5)) == count


def test_where_the_lines_meet(cameras):
    photos = SimpleNamespace(
        K=cameras.K.numpy(), world_to_camera=cameras.world_to_camera.numpy(), size=WIDTH
    )
    meeting = Meeting.of(photos)
    # these lines go through one pixel of both pictures, which is above what the cameras look at
    assert meeting.distances == pytest.approx((2.0, 2.0), abs=0.1) and meeting.gap < 1e-6
    assert meeting.degrees == pytest.approx(22.5, abs=0.5)


def test_cameras_that_do_not_see_one_person_are_refused(cameras, taken, tmp_path):
    def moved(world_to_camera):
        write_rig(tmp_path / "rig.json", cameras.K.numpy(), world_to_camera)
        return read(taken[0], tmp_path / "rig.json")

    world_to_camera = cameras.world_to_camera.numpy()
    away = world_to_camera.copy()
    away[1] = np.diag([-1, 1, -1, 1]) @ away[1]
    with pytest.raises(InputError, match="not look at one person; expected world_to_camera"):
        moved(away)
    millimeters = world_to_camera.copy()
    millimeters[:, :3, 3] *= 1000
    with pytest.raises(InputError, match="translations in meters"):
        moved(millimeters)
    with pytest.raises(InputError, match="at one place"):
        moved(world_to_camera[[0, 0]])
    higher = world_to_camera.copy()
    higher[1, :3, 3] += [0, 0.5, 0]
    _, notes = moved(higher)
    assert any("miss each other by 0." in note for note in notes)


def test_one_camera_above_the_other_is_refused(taken, tmp_path):
    quarter = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).double()
    cameras = rig(size=WIDTH)
    cameras.world_to_camera[:] = quarter @ cameras.world_to_camera
    # a square photo, so that the turned ball is whole in it
    cameras.K[:, 1, 2] = 0.4 * WIDTH
    paths, rig_file = photographed(tmp_path, cameras)
    with pytest.raises(InputError, match="one camera is above the other"):
        read(paths, rig_file)


def test_a_smaller_photo_is_read_by_the_size_that_k_is_of(cameras, taken, tmp_path):
    [left, right] = taken[0]
    with Image.open(right) as picture:
        picture.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).save(tmp_path / "right.png")
    paths = [left, tmp_path / "right.png"]
    with pytest.raises(InputError, match=r"right\.png: 120 x 100 pixels, the other .* 240 x 200"):
        read(paths, taken[1])
    rig_file = tmp_path / "rig.json"
    matrices = cameras.K.numpy(), cameras.world_to_camera.numpy()
    write_rig(rig_file, *matrices, width=WIDTH, height=HEIGHT)
    (pair, _), (whole, _) = read(paths, rig_file), read(*taken)
    np.testing.assert_allclose(pair.source_K, whole.source_K, atol=1.0)
    color, _, _ = seen(pair.K[1], pair.world_to_camera[1], SIZE)
    assert np.abs(pair.images[1] / 255 - color).mean() < 0.02


def test_what_is_wrong_with_a_photo_names_it(cameras, taken, tmp_path):
    [left, right] = taken[0]
    rig_file = tmp_path / "rig.json"
    matrices = cameras.K.numpy(), cameras.world_to_camera.numpy()
    write_rig(rig_file, *matrices, width=HEIGHT, height=WIDTH)
    with pytest.raises(InputError, match=r"left\.png: 240 x 200 pixels, .*: left is of 200 x 240"):
        read(taken[0], rig_file)
    write_rig(rig_file, 4 * matrices[0] * [[1], [1], [0.25]], matrices[1])
    with pytest.raises(InputError, match=r"left\.png: 240 x 200 pixels, the principal point"):
        read(taken[0], rig_file)
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "mask.png")
    photos = find_photos([left, right], masks=[tmp_path / "mask.png"] * 2)
    with pytest.raises(InputError, match=r"left\.png: .*mask\.png: the mask is empty"):
        read_pair(photos, read_rig(taken[1]), trained())
    with pytest.raises(InputError, match=r"none\.png: not a readable image"):
        read([left, tmp_path / "none.png"], taken[1])


def test_a_photo_that_was_taken_on_its_side_is_turned(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "photo.jpg", exif=exif)
    assert upright_size(tmp_path / "photo.jpg") == (4, 8)
