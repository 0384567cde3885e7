"""Rectification: rows, disparity and depth against projections and rays, pictures against the
views between, and rigs that cannot be rectified."""

import dataclasses

import numpy as np
import pytest
import torch
from ball_pairs import CENTER, rig, seen
from scipy.spatial.transform import Rotation

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.geometry.rays import RayMesh
from hgm.scans.preflight import preflight
from hgm.scans.thuman import locate
from hgm.systems.posegaussian.baselines import oracle
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.check import FEWEST, check_pair, log_remarks, remarks, spacing_remarks
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair, save_heat
from hgm.systems.posegaussian.photos import Photos
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.rectify import rectify_pair
from hgm.systems.posegaussian.rig import placed

PAIR = "0000_000"
CENTERS = ("half", "integer", "exact")


@pytest.fixture(scope="module")
def photos(rendered) -> Photos:
    return PairFiles(rendered, PAIR).photos()


@pytest.fixture(scope="module")
def pairs(photos) -> dict[str, RectifiedPair]:
    return {centers: rectify_pair(photos, centers) for centers in CENTERS}


@pytest.fixture(scope="module")
def mesh(place) -> RayMesh:
    scan = preflight(locate(place.root, "0000")).mesh
    transform = placed(scan.vertices, 0, "0000")
    return RayMesh(scan.vertices @ transform[:3, :3].T + transform[:3, 3], scan.faces)


def depth_by_rays(pair: RectifiedPair, view: int, mesh: RayMesh) -> np.ndarray:
    """Planar depth [S, S] of a mesh at the pixel centers of a rectified view."""
    y, x = np.indices((pair.size, pair.size)) + 0.5
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(pair.K[view]).T
    rays = rays @ pair.world_to_camera[view, :3, :3]
    origin = np.linalg.inv(pair.world_to_camera[view])[:3, 3]
    return mesh.distances(np.broadcast_to(origin, rays.shape), rays)


@pytest.mark.parametrize("centers", CENTERS)
def test_points_are_in_one_row_of_both_views(pairs, photos, centers):
    """Points of the left photo's own depth, by its own camera."""
    pair = pairs[centers]
    K, w2c, q = photos.K[0], photos.world_to_camera[0], photos.inverse_depth[0]
    rows, columns = np.nonzero(q)
    rays = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))]) / q[rows, columns]
    points = np.linalg.inv(w2c) @ np.concatenate([np.linalg.inv(K) @ rays, np.ones((1, len(rows)))])
    seen = [K @ (pose @ points)[:3] for K, pose in zip(pair.K, pair.world_to_camera, strict=True)]
    left, right = (x[:2] / x[2] for x in seen)
    assert np.abs(left[1] - right[1]).max() < 0.1
    # the way from left to right is the disparity of the depth
    flow = (pair.K[1, 0, 2] - pair.K[0, 0, 2]) + pair.shift / seen[0][2]
    assert np.abs((right - left)[0] - flow).max() < 1e-6


def middles(masks: np.ndarray) -> np.ndarray:
    """The middle of each mask [2, S, S] as x and y in pixels [2, 2]."""
    y, x = np.indices(masks.shape[1:]) + 0.5
    sums = np.array([[(mask * x).sum(), (mask * y).sum()] for mask in masks])
    return sums / masks.sum((1, 2))[:, None]


@pytest.mark.parametrize("focal", [1.0, 1.6])
def test_pixels_are_in_the_rows_that_the_cameras_say(focal):
    """A ball of 64 pixels, whose right photo may have a longer lens: where its rectified pictures
    show it, and where the rectified cameras would see it."""
    K, w2c = (x.numpy().copy() for x in (rig().K, rig().world_to_camera))
    K[1, :2, :2] *= focal
    colors, masks, _ = zip(*(seen(k, e, 64) for k, e in zip(K, w2c, strict=True)), strict=True)
    images, masks = (np.rint(255 * np.stack(x)).astype(np.uint8) for x in (colors, masks))
    rows = {}
    for centers in CENTERS:
        pair = rectify_pair(Photos("ball", images, masks, K, w2c), centers)
        true = [seen(k, e, 64)[1] for k, e in zip(pair.K, pair.world_to_camera, strict=True)]
        off = middles(pair.masks / 255) - middles(np.stack(true))
        rows[centers] = abs(off[0, 1] - off[1, 1])
        if centers == "exact":
            assert np.abs(off).max() < 0.05
    assert rows["exact"] < 0.1
    assert (rows["half"] < 0.1) == (focal == 1)  # why it is not the default


@pytest.mark.parametrize(("centers", "error"), [("half", 2e-3), ("exact", 1e-3)])
def test_depth_to_flow_and_back_is_what_rays_see(pairs, mesh, centers, error):
    pair = pairs[centers]
    batch = StereoBatch.of([pair])
    found = batch.inverse_depth(batch.flow)[:, 0].numpy()
    for view in (0, 1):
        z = depth_by_rays(pair, view, mesh)
        known = pair.valid[view] & np.isfinite(z)
        relative = np.abs(found[view][known] * z[known] - 1)
        assert known.sum() > 1000
        assert np.median(relative) < error and np.quantile(relative, 0.9) < 3 * error
    there = batch.flow_of(batch.inverse_depth(batch.flow))
    assert (there - batch.flow).abs()[batch.valid].max() < 1e-3


def oracle_of(pair: RectifiedPair, farther: float = 0.0) -> Gaussians:
    """Points at the true disparity, changed by so many pixels."""
    batch = StereoBatch.of([pair])
    way = farther * torch.tensor([1.0, -1.0])[:, None, None, None]
    flow = torch.where(batch.flow != 0, batch.flow + way, 0.0)
    return oracle(dataclasses.replace(batch, flow=flow))[0]


def psnr(gaussians: Gaussians, files: PairFiles, view: int) -> float:
    """Of the whole picture over black."""
    K, w2c = (torch.from_numpy(x)[None].float() for x in files.camera(view))
    camera = Cameras(K, w2c, 192, 192).resized(384)
    truth = torch.from_numpy(files.large_picture(view)).movedim(-1, 0) / 255
    picture = pictures_of([gaussians], camera)[0]
    return float(-10 * torch.log10((picture - truth).square().mean()))


def test_true_disparity_makes_the_view_between(rendered, pairs):
    """Two of `centers` put the person where it is, the default not worse than the other; the third
    is half a pixel off."""
    files = PairFiles(rendered, PAIR)
    found = {centers: psnr(oracle_of(pair), files, 3) for centers, pair in pairs.items()}
    assert found["half"] > 28 and found["exact"] > 28
    assert found["exact"] > found["half"] - 0.2
    assert found["integer"] < found["exact"] - 1.2
    # a pixel nearer
    assert psnr(oracle_of(pairs["exact"], farther=-1), files, 3) < found["exact"] - 2


def test_the_order_of_the_photos_does_not_matter(photos, pairs):
    turned = dataclasses.replace(
        photos,
        **{
            name: getattr(photos, name)[::-1]
            for name in ("images", "masks", "K", "world_to_camera", "inverse_depth")
        },
    )
    pair = rectify_pair(turned)
    for name in ("images", "flow", "valid", "K", "world_to_camera", "source_world_to_camera"):
        assert np.array_equal(getattr(pair, name), getattr(pairs["exact"], name)), name
    assert pair.shift < 0


def test_a_pair_is_the_same_from_its_file(pairs, tmp_path):
    pair = pairs["exact"]
    pair.save(tmp_path / "pair.npz")
    found = RectifiedPair.load(tmp_path / "pair.npz")
    for field in dataclasses.fields(pair):
        assert np.array_equal(getattr(found, field.name), getattr(pair, field.name))
    with pytest.raises(InputError, match=r"heatmaps/pair\.npz"):
        RectifiedPair.load(tmp_path / "pair.npz", heat=True)
    heat = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), np.uint8)
    save_heat(tmp_path / "pair.npz", heat)
    assert np.array_equal(RectifiedPair.load(tmp_path / "pair.npz", heat=True).heat, heat)
    assert RectifiedPair.load(tmp_path / "pair.npz").heat is None
    save_heat(tmp_path / "pair.npz", heat[:, :64])
    with pytest.raises(InputError, match="holds no heat maps of 192 x 192"):
        RectifiedPair.load(tmp_path / "pair.npz", heat=True)
    assert found.flow.dtype == np.float16 and found.valid.dtype == bool


def test_heat_maps_of_any_number_of_channels_move_with_the_photos(photos):
    whole = np.repeat(photos.images, 6, -1)[..., :17]
    for channels in (1, 3, 17):
        pair = rectify_pair(dataclasses.replace(photos, heat=whole[..., :channels]))
        assert pair.heat.shape == (2, 192, 192, channels)
        assert np.array_equal(pair.heat[..., 0], pair.images[..., 0])
        assert np.array_equal(pair.heat[..., -1], pair.images[..., (channels - 1) // 6])


def test_flow_is_known_inside_the_person_alone(pairs, photos):
    pair = pairs["exact"]
    assert pair.images.dtype == np.uint8
    assert not pair.valid[pair.masks < 128].any()
    assert 0.5 < pair.valid.sum() / (pair.masks > 127).sum() < 0.95  # all but the edge
    assert (pair.flow[~pair.valid & (pair.masks == 0)] == 0).mean() > 0.99
    alone = rectify_pair(dataclasses.replace(photos, inverse_depth=None))
    assert alone.flow is None and alone.valid is None
    assert np.array_equal(alone.images, pair.images)


def test_the_check_finds_angle_rows_and_points_behind_the_cameras(pairs, photos):
    found = check_pair(pairs["exact"])
    assert found["degrees"] == pytest.approx(22.5, abs=2.5)  # who is nearer is seen farther apart
    assert found["points"] >= FEWEST and found["row_error"] < 0.7 and found["in_front"] > 0.8
    assert 0.5 < found["both_see"] < 1
    assert not remarks(found)
    tilted = photos.world_to_camera.copy()
    tilted[1, :3] = Rotation.from_euler("x", 1.5, degrees=True).as_matrix() @ tilted[1, :3]
    wrong = check_pair(rectify_pair(dataclasses.replace(photos, world_to_camera=tilted)))
    # 1.5 degrees are 4 pixels of this focal length
    assert wrong["row_error"] == pytest.approx(0.8 * 192 * np.radians(1.5), abs=1.0)
    assert "calibration" in remarks(wrong)[0]
    K = pairs["exact"].K.copy()
    K[1, 0, 2] -= 100  # as if the cameras looked away from each other
    behind = check_pair(dataclasses.replace(pairs["exact"], K=K))
    assert behind["in_front"] == 0 and "behind the cameras" in remarks(behind)[0]


def test_cameras_that_look_the_same_way_see_the_person_from_two_sides():
    """An ordinary stereo rig, whose cameras are not turned: the angle is that of the person."""
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, :3, 3] = [[-CENTER[0] + x, -CENTER[1], 2 - CENTER[2]] for x in (0.2, -0.2)]
    K = rig(size=96).K.numpy()
    colors, masks, _ = zip(*(seen(k, e, 96) for k, e in zip(K, poses, strict=True)), strict=True)
    images, masks = (np.rint(255 * np.stack(x)).astype(np.uint8) for x in (colors, masks))
    found = check_pair(rectify_pair(Photos("ball", images, masks, K, poses)))
    assert found["degrees"] == pytest.approx(2 * np.degrees(np.arctan(0.2 / 2)), abs=0.8)


@pytest.mark.parametrize(
    ("given", "said"),
    [(False, "the networks are trained at 22.5;"), (True, "pairs.degrees is 22.5; set it to 45")],
)
def test_another_angle_than_the_trainings_is_said_once_with_both(caplog, given, said):
    fine = {"row_error": None, "in_front": None}
    checks = {f"0505_{i:03d}": {**fine, "degrees": 45.3} for i in range(3)}
    checks["0505_001"]["row_error"] = 7.0
    log_remarks(checks, 22.5, given=given)
    angle, rows = caplog.records
    assert angle.levelname == "WARNING"
    assert "45.3 degrees apart" in angle.message and said in angle.message
    assert rows.message.startswith("0505_001: ") and "7.0 pixels off" in rows.message
    assert not spacing_remarks(28.1, 22.5) and spacing_remarks(28.2, 22.5)


def at(x: float, y: float, turn: float = 0.0) -> np.ndarray:
    """A camera at (x, y, -2) that looks along +z, turned about y by degrees."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("y", turn, degrees=True).as_matrix()
    pose[:3, 3] = -pose[:3, :3] @ [x, y, -2]
    return pose


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (at(0, 0), "at one place"),
        (at(0.1, 0.9), "one camera is above the other.*turn both pictures"),
        (at(1.0, 0, 120), "turned by 120 degrees"),
        (at(0.5, 0, 60), "nobody is in both"),
    ],
)
def test_rigs_that_are_no_stereo_are_one_line(photos, second, reason):
    poses = np.stack([at(0, 0), second])
    with pytest.raises(InputError, match=reason):
        rectify_pair(dataclasses.replace(photos, world_to_camera=poses, name="img/x"))
