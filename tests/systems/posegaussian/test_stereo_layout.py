"""GPS-Gaussian's layout: files that this test writes with numpy and OpenCV are read, ours are read
back by OpenCV, and what is wrong with a file is said in one line."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hgm.core.items import finished, mark_whole
from hgm.errors import InputError
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.stereo_views import take_pairs
from hgm.systems.posegaussian.views import MARKS, STAGE, remove_pairs

SIZE = 32
NAME = "0012_003"
K = np.array([[25.6, 0, 16], [0, 25.6, 16.8], [0, 0, 1]])


def disc(size: int) -> np.ndarray:
    y, x = np.indices((size, size)) + 0.5
    return (np.hypot(x - size / 2, y - size / 2) < size / 3).astype(np.uint8)


def write_like_others(root: Path) -> dict[str, np.ndarray]:
    """A pair written without this package, as the release's renderer does: binary masks, BGR."""
    random = np.random.default_rng(0)
    arrays = {}
    for kind in ("img", "mask", "depth", "parm", "heatmap"):
        (root / kind / NAME).mkdir(parents=True)
    for view in range(5):
        mask = disc(SIZE)
        color = random.integers(40, 255, 3)
        rgb = np.where(mask[..., None] > 0, color, 255).astype(np.uint8)  # white around the person
        steps = np.where(mask > 0, 2**15 / (1.5 + 0.1 * view), 0).round().astype(np.uint16)
        pose = np.eye(4)[:3]
        pose[:, :3] = Rotation.from_euler("y", 20 * view, degrees=True).as_matrix()
        pose[:, 3] = [0.1, 0.2, 2.0]
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100]
        cv2.imwrite(str(root / f"img/{NAME}/{view}.jpg"), rgb[..., ::-1], quality)
        cv2.imwrite(str(root / f"mask/{NAME}/{view}.png"), 255 * np.stack([mask] * 3, -1))
        cv2.imwrite(str(root / f"depth/{NAME}/{view}.png"), steps)
        np.save(root / f"parm/{NAME}/{view}_intrinsic.npy", K)
        np.save(root / f"parm/{NAME}/{view}_extrinsic.npy", pose)
        arrays |= {f"rgb{view}": rgb, f"steps{view}": steps, f"pose{view}": pose}
        if view > 1:
            large = cv2.resize(rgb, (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / f"img/{NAME}/{view}_hr.jpg"), large[..., ::-1], quality)
        else:
            heat = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
            cv2.imwrite(str(root / f"heatmap/{NAME}/{view}.png"), heat[..., ::-1])
            arrays[f"heat{view}"] = heat
    return arrays


@pytest.fixture
def given(tmp_path: Path) -> tuple[PairFiles, dict[str, np.ndarray]]:
    arrays = write_like_others(tmp_path / "test")
    return PairFiles(tmp_path / "test", NAME), arrays


def test_a_pair_of_others_is_read(given):
    files, arrays = given
    photos = files.photos()
    inside = disc(SIZE) > 0
    for view in (0, 1):
        assert (photos.images[view][~inside] == 0).all()  # over black, whatever was there
        error = photos.images[view][inside].astype(int) - arrays[f"rgb{view}"][inside]
        assert np.abs(error).mean() < 6  # of JPEG
        assert np.array_equal(photos.masks[view] > 127, inside)
        assert np.array_equal(files.heat_map(view, "jet3"), arrays[f"heat{view}"])
        assert np.allclose(photos.inverse_depth[view] * 2**15, arrays[f"steps{view}"])
        assert np.array_equal(photos.world_to_camera[view][:3], arrays[f"pose{view}"])
    large = files.large_picture(3)
    assert large.shape == (2 * SIZE, 2 * SIZE, 3)
    assert (large[~inside.repeat(2, 0).repeat(2, 1)] == 0).all()


def test_what_we_write_is_read_back_the_same_and_by_opencv(tmp_path):
    random = np.random.default_rng(1)
    files = PairFiles(tmp_path / "train", NAME)
    rgb = cv2.GaussianBlur(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8), (9, 9), 0)
    mask = (255 * disc(SIZE)).astype(np.uint8)
    depth = np.where(mask > 0, random.uniform(0.6, 4, mask.shape), 0)
    K = np.array([[30.123456789, 0, 16], [0, 30.123456789, 17], [0, 0, 1]])
    w2c = np.eye(4)
    w2c[:3, :3] = Rotation.random(random_state=0).as_matrix()
    w2c[:3, 3] = random.normal(size=3)
    files.save_view(0, np.where(mask[..., None] > 0, rgb, 0), mask, depth, K, w2c)
    found = files.camera(0)
    assert np.array_equal(found[0], K) and np.array_equal(found[1], w2c)
    read_rgb, read_mask = files.picture(0)
    assert np.array_equal(read_mask, mask)
    assert np.abs(read_rgb.astype(int) - np.where(mask[..., None] > 0, rgb, 0)).mean() < 4
    q = files.inverse_depth(0)
    assert np.abs(q[mask > 0] * depth[mask > 0] - 1).max() < 1e-4
    raw = cv2.imread(str(files.mask(0)), cv2.IMREAD_UNCHANGED)
    assert raw.shape == (SIZE, SIZE, 3) and np.array_equal(raw, np.stack([mask] * 3, -1))
    steps = cv2.imread(str(files.depth(0)), cv2.IMREAD_UNCHANGED)
    assert steps.dtype == np.uint16
    assert np.array_equal(steps, np.where(depth > 0, np.rint(2**15 / np.maximum(depth, 0.1)), 0))
    assert np.load(files.folder("parm") / "0_extrinsic.npy").shape == (3, 4)
    for encoding, channels in (("jet3", 3), ("gray1", 1), ("coco17", 17)):
        heat = random.integers(0, 256, (SIZE, SIZE, channels), np.uint8)
        files.save_heat_map(0, heat, encoding)
        assert np.array_equal(files.heat_map(0, encoding), heat)
    with pytest.raises(InputError, match="less than half a meter"):
        files.save_view(1, rgb, mask, np.full(mask.shape, 0.4), K, w2c)


def image(path: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda root: cv2.imwrite(str(root / path.format(NAME)), array) and None


def array(path: str, values: np.ndarray) -> Callable[[Path], None]:
    return lambda root: np.save(root / path.format(NAME), values)


def gone(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path.format(NAME)).unlink()


WRONG = {
    "no such mask": gone("mask/{}/1.png"),
    "nobody is in this mask": image("mask/{}/0.png", np.zeros((SIZE, SIZE), np.uint8)),
    "that of the other view 32 x 32": lambda root: (
        image("img/{}/1.jpg", np.zeros((40, 40, 3), np.uint8))(root),
        image("mask/{}/1.png", np.full((40, 40), 255, np.uint8))(root),
    ),
    "expected a square": lambda root: [
        (
            image(f"img/{{}}/{v}.jpg", np.zeros((32, 40, 3), np.uint8))(root),
            image(f"mask/{{}}/{v}.png", np.full((32, 40), 255, np.uint8))(root),
        )
        for v in (0, 1)
    ],
    "40 x 40 pixels, expected 32 x 32": image("mask/{}/1.png", np.full((40, 40), 255, np.uint8)),
    "expected one channel of 16 bits": image("depth/{}/0.png", np.ones((SIZE, SIZE), np.uint8)),
    "nearer than half a meter": image("depth/{}/0.png", np.full((SIZE, SIZE), 65535, np.uint16)),
    "the depth of one photo": gone("depth/{}/1.png"),
    "not a pinhole's K": array("parm/{}/0_intrinsic.npy", np.zeros((3, 3))),
    "not a pinhole's K; expected": array(
        "parm/{}/1_intrinsic.npy", np.add(K, [[0] * 3, [4, 0, 0], [0] * 3])
    ),
    "its axes are skew": array("parm/{}/1_intrinsic.npy", np.add(K, [[0, 3, 0], [0] * 3, [0] * 3])),
    "focal lengths 25.6 and 0.256": array("parm/{}/0_intrinsic.npy", K * [[1], [0.01], [1]]),
    "principal point 32, 33.6 is outside of the picture of 32 x 32": array(
        "parm/{}/0_intrinsic.npy", K * [[2], [2], [1]]
    ),
    "holds NaN or infinity": array("parm/{}/0_intrinsic.npy", K * [[np.nan], [1], [1]]),
    "not a rotation": array("parm/{}/1_extrinsic.npy", np.ones((3, 4))),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_wrong_with_a_pair_is_one_line(given, reason):
    files, _ = given
    WRONG[reason](files.root)
    with pytest.raises(InputError, match=reason) as caught:
        files.photos()
    assert NAME in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "harm"),
    [
        ("no such heat map.*files.*predictions.*fits", gone("heatmap/{}/0.png")),
        (
            "expected 3 channels",
            image("heatmap/{}/0.png", np.ones((SIZE, SIZE), np.uint8)),
        ),
    ],
)
def test_what_is_wrong_with_a_heat_map_is_one_line(given, reason, harm):
    files, _ = given
    harm(files.root)
    with pytest.raises(InputError, match=reason) as caught:
        files.heat_map(0, "jet3")
    assert NAME in str(caught.value)


def test_pairs_of_others_are_taken_over_and_theirs_stay(given, tmp_path):
    files, _ = given
    before = {p: p.read_bytes() for p in files.root.rglob("*") if p.is_file()}
    other = PairFiles(files.root, "0012_004")
    for kind in ("img", "mask", "depth", "parm"):
        other.folder(kind).mkdir()
        for file in files.folder(kind).iterdir():
            (other.folder(kind) / file.name).write_bytes(file.read_bytes())
    other.depth(1).unlink()
    other.depth(0).unlink()
    out = tmp_path / "render_data"

    def take(size: int = SIZE):
        return take_pairs(tmp_path, ["0012", "0013"], "test000", out, size=size, code="")

    done = take()
    assert list(done.members) == [NAME]
    assert set(done.failed) == {"0012_004", "0013"}
    assert "no depth of the photos" in done.failed["0012_004"]
    taken = PairFiles(out / "test", NAME)
    assert np.array_equal(taken.photos().images, files.photos().images)
    assert not taken.heat(0, "jet3").exists()  # heat maps come later
    taken.save_heat_map(0, np.zeros((SIZE, SIZE, 3), np.uint8), "jet3")
    assert {p: p.read_bytes() for p in before} == before  # nothing of the user's is written
    assert take().members == done.members
    assert "pairs.size is 64" in take(64).failed[NAME]
    take()
    taken.image(3).unlink()
    take()
    assert taken.image(3).is_file()
    files.large_image(4).unlink()
    assert NAME in take().failed and not taken.image(0).exists()


def test_rendered_and_given_pairs_are_never_taken_for_each_other(given, tmp_path):
    """Each way of getting the pairs of a scan voids the other's mark, so that a change back does
    it again; heat maps stay."""
    files, _ = given
    out = tmp_path / "render_data"
    rendered = out / "test" / MARKS / "0012"
    leftover = PairFiles(out / "test", "0012_007")
    leftover.image(0).parent.mkdir(parents=True)
    leftover.image(0).write_bytes(b"of a scan with more pairs")
    heat = np.zeros((SIZE, SIZE, 3), np.uint8)
    PairFiles(out / "test", NAME).save_heat_map(0, heat, "jet3")
    rendered.mkdir(parents=True)
    mark_whole(rendered, STAGE, "key")
    taken = take_pairs(tmp_path, ["0012"], "test000", out, size=SIZE, code="")
    assert list(taken.members) == [NAME] and not leftover.image(0).exists()
    assert not finished(rendered, STAGE, "key")
    mark = out / "test" / MARKS / NAME
    assert finished(mark, STAGE, taken.members[NAME])
    remove_pairs(out / "test", "0012")  # what rendering begins with
    assert not mark.exists() and not PairFiles(out / "test", NAME).files()
    assert PairFiles(out / "test", NAME).heat(0, "jet3").is_file()
    assert files.image(0).is_file() and files.heat(0, "jet3").is_file()


def test_test_scans_may_be_among_the_validation_pairs(given, tmp_path):
    """GPS-Gaussian's own data has the folders train and val alone."""
    files, _ = given
    files.root.rename(tmp_path / "val")
    out = tmp_path / "render_data"
    for part in ("test000", "val000"):
        assert list(take_pairs(tmp_path, ["0012"], part, out, size=SIZE, code="").members) == [NAME]
    assert PairFiles(out / "test", NAME).photos().size == SIZE
    assert not take_pairs(tmp_path, ["0012"], "train000", out, size=SIZE, code="").members
