"""Heat maps against a reference of scipy, and the three ways to get them."""

import json

import cv2
import numpy as np
import pytest
from scipy import ndimage

from hgm.errors import InputError
from hgm.systems.posegaussian.heat_files import heat_sources, write_heat_maps
from hgm.systems.posegaussian.heat_sources import heat_source, write_rectified_heat
from hgm.systems.posegaussian.heatmaps import heat_map, nearest_odd
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.rectify import rectify_pair
from hgm.systems.posegaussian.settings import HeatMaps

SIZE = 192
POINTS = np.random.default_rng(0).uniform(20, 170, (17, 2))


def reference(points: np.ndarray, size: int) -> np.ndarray:
    """One plane: discs by distance, three Gaussians cut at OpenCV's width, min-max."""
    y, x = np.indices((size, size))
    radius = round(30 * size / 1024)
    plane = np.zeros((size, size))
    for u, v in points:
        plane[np.hypot(x - np.floor(u), y - np.floor(v)) <= radius + 0.3] = 1
    width = nearest_odd(41 * size / 1024)
    sigma = 0.3 * ((width - 1) * 0.5 - 1) + 0.8  # OpenCV's documentation of getGaussianKernel
    ticks = np.arange(width) - width // 2
    kernel = np.exp(-(ticks**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for _ in range(3):
        for axis in (0, 1):
            plane = ndimage.correlate1d(plane, kernel, axis, mode="mirror")
    return (plane - plane.min()) / np.ptp(plane)


def test_one_plane_is_discs_that_were_blurred():
    gray = heat_map(POINTS, SIZE, HeatMaps(encoding="gray1"))
    assert gray.shape == (SIZE, SIZE, 1) and gray.min() == 0 and gray.max() == 255
    error = np.abs(gray[..., 0] / 255 - reference(POINTS, SIZE))
    assert error.mean() < 0.004 and error.max() < 0.12  # OpenCV's discs have other rims


def test_false_colors_are_the_plane_through_opencvs_jet():
    gray = heat_map(POINTS, SIZE, HeatMaps(encoding="gray1"))[..., 0]
    jet = heat_map(POINTS, SIZE, HeatMaps())
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET)
    assert np.array_equal(jet, table[gray, 0][..., ::-1])
    assert jet[0, 0].tolist() == [0, 0, 128]  # RGB: nothing is dark blue
    assert (jet.reshape(-1, 3).mean(1).min(), jet.reshape(-1, 3).mean(1).max()) == pytest.approx(
        (128 / 3, 170.3), abs=0.1
    )


def test_each_point_may_have_a_plane():
    points = POINTS.copy()
    points[3] = [np.nan, 5]
    points[4] = [1e9, -1e9]
    planes = heat_map(points, SIZE, HeatMaps(encoding="coco17"))
    assert planes.shape == (SIZE, SIZE, 17)
    assert not planes[..., 3:5].any()
    y, x = np.indices((SIZE, SIZE)) + 0.5
    for i in (0, 1, 2, *range(5, 17)):
        plane = planes[..., i].astype(float)
        assert plane.max() == 255
        middle = np.array([(x * plane).sum(), (y * plane).sum()]) / plane.sum()
        assert np.abs(middle - points[i]).max() < 0.51


def test_the_blurs_width_is_the_nearest_odd_number():
    assert [nearest_odd(41 * s / 1024) for s in (1024, 512, 192, 64, 32)] == [41, 21, 7, 3, 1]


@pytest.fixture
def pair(rendered, tmp_path) -> PairFiles:
    """A pair that may be written to, the photos' and keypoints' files linked."""
    own = PairFiles(tmp_path / "test", "0000_000")
    for file in PairFiles(rendered, own.name).files():
        link = own.folder(file.parent.parent.name) / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return own


def seen(pair: PairFiles, view: int) -> np.ndarray:
    K, w2c = pair.camera(view)
    projected = K @ w2c[:3] @ np.concatenate([pair.keypoints(), np.ones((17, 1))], 1).T
    return (projected[:2] / projected[2]).T


def test_joints_of_a_fit_are_drawn_on_the_person(pair):
    write_heat_maps(pair, HeatMaps(encoding="coco17"))
    for view in (0, 1):
        planes = pair.heat_map(view, "coco17")
        mask = pair.picture(view)[1] > 127
        for i, point in enumerate(seen(pair, view)):
            row, column = np.unravel_index(planes[..., i].argmax(), mask.shape)
            assert abs(row + 0.5 - point[1]) < 3.5 and abs(column + 0.5 - point[0]) < 3.5
            near = mask[max(row - 6, 0) : row + 7, max(column - 6, 0) : column + 7]
            assert near.any(), i


def test_detections_at_the_same_places_draw_the_same(pair, tmp_path):
    settings = HeatMaps(source="predictions", folder=str(tmp_path / "found"))
    sources = heat_sources(pair, settings)
    with pytest.raises(InputError, match=r"found/0000_000/0\.json"):
        write_heat_maps(pair, settings)
    folder = tmp_path / "found/0000_000"
    folder.mkdir(parents=True)
    for view in (0, 1):
        found = {"keypoints": seen(pair, view).tolist(), "keypoint_scores": [0.5] * 17}
        (folder / f"{view}.json").write_text(json.dumps([found]))
    assert heat_sources(pair, settings) != sources
    write_heat_maps(pair, HeatMaps())
    drawn = [pair.heat_map(view, "jet3") for view in (0, 1)]
    pair.heat(0, "jet3").unlink()
    write_heat_maps(pair, settings)
    assert np.array_equal(np.stack(drawn), [pair.heat_map(view, "jet3") for view in (0, 1)])


def test_pictures_that_are_there_are_taken(pair, tmp_path):
    settings = HeatMaps(source="files", folder=str(tmp_path / "mine"))
    folder = tmp_path / "mine/0000_000"
    folder.mkdir(parents=True)
    heat = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    cv2.imwrite(str(folder / "0.png"), heat[..., ::-1])
    with pytest.raises(InputError, match=r"mine/0000_000/1\.png: no such heat map"):
        write_heat_maps(pair, settings)
    cv2.imwrite(str(folder / "1.png"), heat[:96, :96])
    with pytest.raises(InputError, match=r"mine/0000_000/1\.png: 96 x 96 pixels"):
        write_heat_maps(pair, settings)
    cv2.imwrite(str(folder / "1.png"), heat[..., ::-1])
    write_heat_maps(pair, settings)
    assert np.array_equal(pair.heat_map(1, "jet3"), heat)


def test_pairs_of_others_have_no_fit(pair):
    pair.keypoints_file.unlink()
    with pytest.raises(InputError, match="to files or predictions"):
        write_heat_maps(pair, HeatMaps())


def test_rectified_heat_maps_are_beside_the_pair_whatever_the_order_of_the_photos(pair, tmp_path):
    """Each joint of both views is in one row, where the rectified camera sees it."""
    settings = HeatMaps(encoding="coco17")
    source = heat_source("test000", settings, {"root": None}, pair.root.parent)
    joints = np.concatenate([pair.keypoints(), np.ones((17, 1))], 1)
    found = []
    for turned in (False, True):
        if turned:
            exchange(pair)
        file = tmp_path / f"pair{turned}.npz"
        rectify_pair(pair.photos()).save(file)
        write_rectified_heat(source, pair.name, file, "exact", tmp_path / "mark")
        whole = RectifiedPair.load(file, heat=True)
        found.append(whole.heat)
        for K, w2c, planes in zip(whole.K, whole.world_to_camera, whole.heat, strict=True):
            seen = K @ w2c[:3] @ joints.T
            x, y = (seen[:2] / seen[2])[:, 0]  # of the nose
            rows, columns = np.nonzero(planes[..., 0] > 128)
            assert abs(rows.mean() + 0.5 - y) < 1 and abs(columns.mean() + 0.5 - x) < 1
    assert np.abs(found[0].astype(int) - found[1]).max() <= 1
    pair.heat(0, "coco17").unlink()
    assert any(not link.exists() for link in (tmp_path / "mark").iterdir())


def exchange(pair: PairFiles) -> None:
    """The other photo first."""
    for kind in ("img", "mask", "depth", "parm"):
        for file in sorted(pair.folder(kind).glob("0*")):
            other = file.with_name("1" + file.name[1:])
            first, second = file.resolve(), other.resolve()
            file.unlink()
            other.unlink()
            file.symlink_to(second)
            other.symlink_to(first)


def test_a_users_heat_maps_are_never_ours(pair, tmp_path):
    """Beside the photos of given pairs; those that were drawn here before do not count."""
    write_heat_maps(pair, HeatMaps())
    given = tmp_path / "given/test/heatmap" / pair.name
    given.mkdir(parents=True)
    settings = HeatMaps(source="files")
    place = {"root": str(tmp_path / "given")}
    source = heat_source("test000", settings, place, pair.root.parent)
    with pytest.raises(InputError, match=r"given/test/heatmap/0000_000/0\.png: no such heat map"):
        source.read(pair.name)
    before = source.digests(pair.name)
    heat = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for view in (0, 1):
        cv2.imwrite(str(given / f"{view}.png"), heat[..., ::-1])
    assert source.digests(pair.name) != before
    assert np.array_equal(source.read(pair.name), [heat, heat])
    drawn = heat_source("test000", HeatMaps(), place, pair.root.parent)
    assert not np.array_equal(drawn.read(pair.name)[0], heat)
    assert np.array_equal(cv2.imread(str(given / "0.png"))[..., ::-1], heat)  # the user's own
