"""What becomes of a pair: of a ball, of which every picture is known, and a network that knows its
depth."""

import dataclasses
import json

import pytest
import torch
from ball_pairs import CENTER, RADIUS, RATIOS, Knowing, ball_pair, view_between
from pretended_cuda import pretended_cuda, quick_splatting

from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.views import load_image
from hgm.systems.posegaussian.baselines import oracle
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.disparity import (
    disparity_errors,
    disparity_picture,
    disparity_range,
    true_inverse_depth,
)
from hgm.systems.posegaussian.novel_views import halfway, show_pair, views_of
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.settings import Between

SETTINGS = Between(frames=3, fps=5)


@pytest.fixture(scope="module")
def pair() -> RectifiedPair:
    return ball_pair()


def known(pair):
    return (pair.flow != 0) & (pair.masks >= 128)


@pytest.fixture(scope="module")
def cameras():
    return {view: view_between(ratio)[2] for view, ratio in RATIOS.items()}


@pytest.fixture(scope="module")
def folder(pair, cameras, tmp_path_factory):
    out = tmp_path_factory.mktemp("subjects") / "0000_000"
    show_pair(Knowing(pair), pair, cameras, out, settings=SETTINGS)
    return out


@pytest.mark.parametrize("count", [1, 2])
def test_points_lie_on_the_ball(pair, count):
    batch = StereoBatch.of([pair] * count)
    found = oracle(batch)
    assert len(found) == count and len(found[-1]) == int(known(pair).sum())
    points = found[-1]
    distances = (points.means.double() - torch.from_numpy(CENTER)).norm(dim=-1)
    # float16 disparities are exact to 1/128 pixel
    assert float((distances - RADIUS).abs().max()) < 0.01
    expected = 0.5 + 0.4 * torch.sin(12 * points.means + torch.arange(3))
    # at the ball's rim a pixel sees many colors
    assert float((points.colors - expected).abs().mean()) < 0.01
    left = int(known(pair)[0].sum())
    for view, rows in ((0, slice(left)), (1, slice(left, None))):
        _, z = pair.cameras[view : view + 1].project(points.means[None, rows])
        torch.testing.assert_close(
            points.scales[rows, 0], 0.45 * z[0] / float(pair.K[view, 0, 0]), rtol=1e-4, atol=0
        )


def test_a_pair_whose_depth_is_not_known_has_no_oracle(pair):
    blind = dataclasses.replace(pair, flow=None, valid=None)
    with pytest.raises(InputError, match="depth of this pair is not known"):
        oracle(StereoBatch.of([blind]))


def test_what_is_written_of_a_pair(folder, pair, cameras, tmp_path):
    names = {
        "gaussians.ply", "points.ply", "disparity.png", "disparity_truth.png", "between.mp4",
        "matching.json", "novel_2.png", "novel_3.png", "novel_4.png",
    }  # fmt: skip
    assert {path.name for path in folder.iterdir()} == names
    again = tmp_path / "0000_000"
    show_pair(Knowing(pair), pair, cameras, again, settings=SETTINGS)
    for name in names:
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name
    gaussians = Gaussians.load_ply(folder / "gaussians.ply")
    record = json.loads((folder / "matching.json").read_text())
    assert record["gaussians"] == len(gaussians)
    assert record["disparity"] == {"epe": 0.0, "under_1": 1.0, "under_3": 1.0}
    [picture] = views_of(gaussians, cameras[3], backend="auto")
    assert float((picture - load_image(folder / "novel_3.png")).abs().max()) < 2 / 255


def test_of_photos_alone_there_is_no_truth(pair, folder, tmp_path):
    blind = dataclasses.replace(pair, flow=None, valid=None)
    show_pair(Knowing(pair), blind, halfway(blind), tmp_path, settings=SETTINGS)
    assert json.loads((tmp_path / "matching.json").read_text())["disparity"] is None
    assert not (tmp_path / "disparity_truth.png").exists()
    [shown] = tmp_path.glob("novel_*")
    assert shown.read_bytes() == (folder / "novel_3.png").read_bytes()


def test_errors_of_a_disparity_count_valid_pixels_alone():
    truth = torch.zeros(1, 4)
    flow = torch.tensor([[0.5, -2.0, 3.0, 100.0]])
    valid = torch.tensor([[True, True, True, False]])
    found = disparity_errors(flow, truth, valid)
    assert found == pytest.approx({"epe": 5.5 / 3, "under_1": 1 / 3, "under_3": 2 / 3})
    assert set(disparity_errors(flow, truth, ~valid & False).values()) == {None}


def test_the_picture_of_a_disparity_is_bright_where_near_and_black_where_nobody_is(pair):
    batch = StereoBatch.of([pair])
    q = true_inverse_depth(batch)
    picture = disparity_picture(q[0, 0], disparity_range(q)).astype(int).sum(-1)
    assert (picture[~known(pair)[0]] == 0).all() and (picture[known(pair)[0]] > 0).all()
    near, far = q[0, 0].argmax(), torch.where(q[0, 0] > 0, q[0, 0], 9).argmin()
    assert picture.ravel()[near] > picture.ravel()[far]
    assert disparity_range(torch.zeros(2, 2)) == (0, 1)


def test_all_is_on_the_device_of_the_network(cameras, pair, tmp_path, folder):
    """A pretended one, so that what is left behind is refused; pictures equal the CPU's."""
    with pretended_cuda(), quick_splatting():
        network = Knowing(pair).to("cuda")
        found = show_pair(network, pair, cameras, tmp_path, settings=SETTINGS)
        assert found.gaussians.means.device.type == found.flow.device.type == "cuda"
    for view in cameras:
        shown, expected = (load_image(p / f"novel_{view}.png") for p in (tmp_path, folder))
        assert float((shown - expected).abs().max()) < 2 / 255
    assert (tmp_path / "disparity.png").read_bytes() == (folder / "disparity.png").read_bytes()
