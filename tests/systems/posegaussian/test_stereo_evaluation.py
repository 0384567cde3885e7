"""Measures of a pair: of a ball, of which every picture is known, and a network that knows its
depth."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from ball_pairs import RATIOS, Knowing, ball_pair, rig, seen, view_between

from hgm.errors import InputError
from hgm.images.views import load_image, save_image
from hgm.metrics.lpips import LPIPS
from hgm.systems.posegaussian.baselines import copy_nearest
from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.evaluation import Protocol, evaluate_pair, picture_errors
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.novel_views import show_pair
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.settings import Between
from hgm.systems.posegaussian.true_views import novel_cameras, photos_of, true_views


@pytest.fixture(scope="module")
def pair() -> RectifiedPair:
    return ball_pair()


@pytest.fixture(scope="module")
def truths() -> dict[int, NovelView]:
    found = {}
    for view, ratio in RATIOS.items():
        picture, mask, camera = view_between(ratio)
        found[view] = NovelView(picture, camera, mask, ratio)
    return found


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """What the two cameras themselves see."""
    cameras = rig()
    found = [
        seen(K.numpy(), w2c.numpy(), cameras.width)[0]
        for K, w2c in zip(cameras.K, cameras.world_to_camera, strict=True)
    ]
    return torch.from_numpy(np.stack(found)).movedim(-1, 1).float()


def shown(network, pair, truths, out):
    cameras = {view: truth.camera for view, truth in truths.items()}
    show_pair(network, pair, cameras, out, settings=Between(frames=2))


@pytest.fixture(scope="module")
def folder(pair, truths, tmp_path_factory):
    out = tmp_path_factory.mktemp("subjects") / "0000_000"
    shown(Knowing(pair), pair, truths, out)
    return out


def measured(folder, pair, photos, truths, *, simple=True):
    protocol = Protocol("none", standin=True, simple=simple)
    return evaluate_pair(folder, pair, photos, truths, protocol)


def test_the_measures_of_a_pair(folder, pair, photos, truths):
    record = measured(folder, pair, photos, truths)
    assert json.loads((folder / "metrics.json").read_text()) == record
    assert (record["system"], record["subject"]) == ("posegaussian", "0000_000")
    assert [view["view"] for view in record["views"]] == list(RATIOS)
    assert [view["ratio"] for view in record["views"]] == [0.2, 0.5, 0.9]
    assert record["disparity"]["epe"] == 0
    expected = {"full": [], "person_box": []}
    for view, truth in truths.items():
        square = (load_image(folder / f"novel_{view}.png") - truth.rgb).square().numpy()
        inside = truth.mask[0].numpy() > 0.5
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        box = square[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        expected["full"].append(-10 * np.log10(square.mean()))
        expected["person_box"].append(-10 * np.log10(box.mean()))
    for region, values in expected.items():
        assert record["images"][region]["standard"]["psnr"] == pytest.approx(np.mean(values))
        assert [view[region]["psnr"] for view in record["views"]] == pytest.approx(values)
        halfway = record["images"][f"halfway_{region}"]["standard"]
        assert halfway == record["views"][1][region]
    full = record["images"]["full"]["standard"]
    assert 0.8 < full["ssim"] < 1 and full["lpips"] is None
    assert record["images"]["person_box"]["standard"]["psnr"] < full["psnr"]


def test_true_depth_is_better_than_the_nearest_photo_and_than_a_wrong_depth(
    folder, pair, photos, truths, tmp_path
):
    rows = measured(folder, pair, photos, truths)["baselines"]
    off = tmp_path / "off"
    shown(Knowing(pair, off=4.0), pair, truths, off)
    wrong = measured(off, pair, photos, truths, simple=False)
    assert set(wrong["baselines"]) == {"warped_points"}
    assert wrong["disparity"] == pytest.approx({"epe": 4, "under_1": 0, "under_3": 0})
    full = {name: row["images"]["full"]["standard"]["psnr"] for name, row in rows.items()}
    assert full["oracle"] > full["copy_nearest"] + 3
    moved = wrong["baselines"]["warped_points"]["images"]["full"]["standard"]["psnr"]
    assert full["warped_points"] == pytest.approx(full["oracle"]) and full["oracle"] > moved + 3


def test_a_damaged_picture_is_named(pair, photos, truths, tmp_path):
    shown(Knowing(pair), pair, truths, tmp_path)
    save_image(tmp_path / "novel_3.png", torch.zeros(3, 8, 8))
    with pytest.raises(InputError, match=r"novel_3\.png: is 8 x 8 pixels, expected 128 x 128"):
        measured(tmp_path, pair, photos, truths)


def test_what_a_picture_is_too_small_for_is_not_measured():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 3, 32, 40, generator=generator)
    lpips = LPIPS()
    whole = picture_errors(a, b, lpips)
    assert whole["psnr"] == pytest.approx(-10 * np.log10(float((a - b).square().mean())))
    assert whole["lpips"] == pytest.approx(float(lpips(a[None], b[None])))
    assert picture_errors(a, b, None)["lpips"] is None
    narrow = picture_errors(a[:, :20], b[:, :20], lpips)
    assert narrow["ssim"] is not None and narrow["lpips"] is None
    assert picture_errors(a[:, :5], b[:, :5], lpips)["ssim"] is None
    assert picture_errors(a[:, :0], b[:, :0], lpips) == dict.fromkeys(("psnr", "ssim", "lpips"))
    assert picture_errors(a, a, None)["psnr"] is None  # infinite


def test_the_nearest_photo_is_that_of_the_nearer_camera():
    photos = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    for ratio, value in ((0.2, 0), (0.5, 0), (0.51, 1), (1.0, 1)):
        torch.testing.assert_close(
            copy_nearest(photos, ratio, 8), torch.full((3, 8, 8), value * 1.0)
        )


def test_views_are_read_from_the_layout(pair, truths, tmp_path):
    """From files that are written here: of single color, so that JPEG keeps them."""
    cameras, size = rig(), 64
    for kind in ("img", "mask", "parm"):
        (tmp_path / kind / "0000_000").mkdir(parents=True)
    white = np.full((size, size, 3), 255, np.uint8)
    white[:, : size // 2] = 0
    ends = {0: cameras[:1], 1: cameras[1:]}
    between = {v: truth.camera.to(torch.float64).resized(size) for v, truth in truths.items()}
    for view, camera in {**ends, **between}.items():
        name = tmp_path / "img" / "0000_000" / str(view)
        cv2.imwrite(f"{name}.jpg", np.full((size, size, 3), 20 * view, np.uint8))
        cv2.imwrite(f"{name}_hr.jpg", np.full((2 * size, 2 * size, 3), 10 * view, np.uint8))
        cv2.imwrite(str(tmp_path / "mask" / "0000_000" / f"{view}.png"), white)
        parm = tmp_path / "parm" / "0000_000"
        np.save(parm / f"{view}_intrinsic.npy", camera.K[0].numpy())
        np.save(parm / f"{view}_extrinsic.npy", camera.world_to_camera[0, :3].numpy())
    files = PairFiles(tmp_path, "0000_000")
    found = true_views(files, pair)
    assert list(found) == [2, 3, 4]
    for view, truth in found.items():
        torch.testing.assert_close(truth.camera.K, truths[view].camera.K)
        torch.testing.assert_close(
            truth.camera.world_to_camera, truths[view].camera.world_to_camera
        )
        assert truth.ratio == pytest.approx(RATIOS[view], abs=0.01)
        inside = torch.zeros(1, 2 * size, 2 * size)
        inside[..., size:] = 1
        assert torch.equal(truth.mask, inside)
        expected = (10 * view / 255 * inside).expand(3, -1, -1)
        torch.testing.assert_close(truth.rgb, expected, atol=1.5 / 255, rtol=0)
        torch.testing.assert_close(novel_cameras(files, size)[view].K, truth.camera.K)
    expected = torch.zeros(2, 3, size, size)
    expected[1, :, :, size // 2 :] = 20 / 255
    torch.testing.assert_close(photos_of(files, pair), expected, atol=1.5 / 255, rtol=0)
    # where the left photo is the second one of the files
    other = dataclasses.replace(pair, source_world_to_camera=pair.source_world_to_camera[::-1])
    torch.testing.assert_close(photos_of(files, other), expected.flip(0), atol=1.5 / 255, rtol=0)
    assert true_views(files, other)[2].ratio == pytest.approx(1 - RATIOS[2], abs=0.01)
    (tmp_path / "img/0000_000/3_hr.jpg").unlink()
    with pytest.raises(InputError, match=r"3_hr\.jpg"):
        true_views(files, pair)
