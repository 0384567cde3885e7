"""The folders of GPS-Gaussian and HGM: what is written can be read by their own rules, and comes
back as it was."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.images.views import load_cameras, load_image, load_views, view_path
from hgm.render.given import given_key, normals_of, write_given
from hgm.scans.given import check_given
from hgm.scans.multiview import MultiviewScan, export_views


@pytest.fixture(scope="module")
def exported(view_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("multiview")
    export_views(view_folder, root, "0003")
    return root


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "copy")


def test_files_as_the_release_reads_them(exported: Path, view_folder: Path) -> None:
    """Its rules, applied by hand: names, shapes, types, colors where the mask is above 0, 2**15 /
    z, turned world."""
    assert sorted(p.name for p in exported.iterdir()) == ["depth", "img", "mask", "parm", "smplx"]
    assert sorted(p.name for p in (exported / "parm").iterdir()) == [
        f"0003_{i:03d}" for i in range(12)
    ]
    truth = load_views(view_folder, geometry=True)
    poses = []
    for i in range(12):
        view = f"0003_{i:03d}"
        K, E = (
            np.load(exported / "parm" / view / f"0_{kind}.npy")
            for kind in ("intrinsic", "extrinsic")
        )
        assert K.dtype == E.dtype == np.float64 and E.shape == (3, 4)
        np.testing.assert_allclose(K, [[76.8, 0, 48], [0, 76.8, 48], [0, 0, 1]], rtol=1e-6)
        poses.append(np.vstack([E, [0, 0, 0, 1]]))
        mask = np.asarray(Image.open(exported / "mask" / view / "0.png"))
        assert mask.shape == (96, 96, 3) and mask.dtype == np.uint8
        image = Image.open(exported / "img" / view / "0.jpg")
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96))
        (depth,) = (exported / "depth" / view).iterdir()
        with np.load(view_folder / "smplx.npz") as body:
            assert float(depth.stem) == pytest.approx(float(body["nu_per_metre"]) / 0.75, rel=1e-6)
        counts = np.asarray(Image.open(depth))
        assert counts.dtype in (np.uint16, np.int32)
        z = truth.depth[i, 0].numpy() / 0.75
        np.testing.assert_allclose(2.0**15 / counts[z > 0], z[z > 0], atol=1e-4)
        assert not counts[z == 0].any()
    # Camera to world in OpenGL axes, shrunk by 1.5 / 2.0, seen from view 0, which is put at (0, 0,
    # 1.5).
    c2w = [np.linalg.inv(pose) @ np.diag([1.0, -1, -1, 1]) for pose in poses]
    for pose in c2w:
        pose[:3, 3] *= 1.5 / 2.0
    start = np.eye(4)
    start[2, 3] = 1.5
    centers = [(start @ np.linalg.inv(c2w[0]) @ pose)[:3, 3] for pose in c2w]
    np.testing.assert_allclose(centers[0], [0, 0, 1.5], atol=1e-6)
    np.testing.assert_allclose(centers[3], [1.5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(centers[6], [0, 0, -1.5], atol=1e-6)


def test_round_trip(exported: Path, view_folder: Path, male: BodyModel, tmp_path: Path) -> None:
    scan = MultiviewScan(exported, "0003", male)
    check_given(scan, male.faces.numpy())
    write_given(scan, tmp_path / "0003", size=96)
    before, after = (load_views(f, geometry=True) for f in (view_folder, tmp_path / "0003"))
    assert torch.equal(before.cameras.K, after.cameras.K)
    assert torch.equal(before.cameras.world_to_camera, after.cameras.world_to_camera)
    assert torch.equal(before.mask, after.mask)
    assert (before.rgb - after.rgb).abs().mean() < 0.01  # JPEG
    assert (before.depth - after.depth).abs().max() < 1e-4
    inside = before.mask[:, 0] > 0
    cosine = (before.normal * after.normal).sum(1)[inside]
    assert cosine.median() > 0.99
    with np.load(view_folder / "smplx.npz") as a, np.load(tmp_path / "0003" / "smplx.npz") as b:
        assert sorted(a.files) == sorted(b.files)
        for key in a.files:
            np.testing.assert_array_equal(a[key], b[key])


def test_another_world_is_turned_to_view_0(copy: Path, view_folder: Path, male: BodyModel) -> None:
    """A renderer that knows nothing of the person's front: all cameras turned and moved
    together."""
    turn = np.eye(4)
    c = np.cos(2.0)
    s = np.sin(2.0)
    turn[:3] = [[c, 0, s, 0.3], [0, 1, 0, 0.85], [-s, 0, c, -0.1]]
    for path in (copy / "parm").glob("*/0_extrinsic.npy"):
        np.save(path, (np.vstack([np.load(path), [0, 0, 0, 1]]) @ turn)[:3])
    cameras = MultiviewScan(copy, "0003", male).cameras
    expected = load_cameras(view_folder, torch.float64)
    torch.testing.assert_close(cameras.world_to_camera, expected.world_to_camera, atol=1e-6, rtol=0)


def test_other_sizes(exported: Path, male: BodyModel, tmp_path: Path) -> None:
    write_given(MultiviewScan(exported, "0003", male), tmp_path / "small", size=48)
    views = load_views(tmp_path / "small", geometry=True)
    assert views.rgb.shape == (12, 3, 48, 48)
    torch.testing.assert_close(views.cameras.K, orbit(size=48).K)
    full = load_image(view_path(tmp_path / "small", "mask", 0))
    large = np.asarray(Image.open(exported / "mask" / "0003_000" / "0.png"))[..., 0] / 255
    np.testing.assert_allclose(
        full[0].numpy(), large.reshape(48, 2, 48, 2).mean((1, 3)), atol=1 / 255
    )


def test_masks_of_ones_and_black_backgrounds(copy: Path, male: BodyModel) -> None:
    """GPS-Gaussian's images are black around the person; masks may be 0 and 1."""
    path = copy / "mask" / "0003_002" / "0.png"
    mask = np.asarray(Image.open(path)) > 0
    Image.fromarray(mask.astype(np.uint8)).save(path)
    image = copy / "img" / "0003_002" / "0.jpg"
    Image.fromarray(np.where(mask, np.asarray(Image.open(image)), 0)).save(image, quality=95)
    picture = MultiviewScan(copy, "0003", male).picture(2)
    np.testing.assert_array_equal(picture.mask, mask[..., 0] * 255)
    assert (picture.rgb[~mask[..., 0]] == 255).all() and picture.rgb[mask[..., 0]].mean() < 200


def test_a_fit_and_the_scale_in_a_name_place_the_body(
    copy: Path, view_folder: Path, male: BodyModel
) -> None:
    with np.load(view_folder / "smplx.npz") as data:
        body = {key: data[key] for key in data.files}
    shutil.rmtree(copy / "smplx")
    keys = (
        "betas",
        "body_pose",
        "left_hand_pose",
        "right_hand_pose",
        "jaw_pose",
        "leye_pose",
        "reye_pose",
        "expression",
    )
    fit = {
        **{key: body[key][None] for key in keys},
        "global_orient": np.array([[0.1, 2, 0.3]], np.float32),
        "scale": np.float64(0.4),
        "translation": np.zeros(3),
    }
    path = copy / "THuman2.0_smplx" / "0003" / "smplx_param.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(fit))
    placed = MultiviewScan(copy, "0003", male).placed_body
    np.testing.assert_allclose(placed.body.vertices.numpy(), body["vertices"], atol=1e-5)
    for depth in (copy / "depth").glob("0003_000/*.png"):
        depth.rename(depth.with_name("1.5.png"))
    placed = MultiviewScan(copy, "0003", male).placed_body
    np.testing.assert_allclose(
        placed.body.vertices.numpy(),
        body["vertices"] * (1.5 * 0.75 / body["nu_per_metre"]),
        atol=1e-5,
    )
    for depth in (copy / "depth").glob("0003_000/*.png"):
        depth.rename(depth.with_name("scale.png"))
    with pytest.raises(
        InputError,
        match=r"0003_000/scale\.png: the name is not a number; expected the scale of the person",
    ):
        _ = MultiviewScan(copy, "0003", male).placed_body


def test_the_key_is_that_of_the_files(copy: Path, male: BodyModel) -> None:
    def key(size: int = 96) -> str:
        return given_key(MultiviewScan(copy, "0003", male), size, "code")

    first = key()
    assert key() == first != key(48)
    image = copy / "img" / "0003_011" / "0.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    assert key() != first


def test_normals_of_a_ball() -> None:
    """The depth of a ball of radius 0.5, in closed form."""
    camera = orbit(3, size=128, dtype=torch.float64)[1]
    o, d = (x.movedim(0, -1) for x in camera.rays())
    b = (o * d).sum(-1)
    root = b * b - ((o * o).sum(-1) - 0.25)
    t = torch.where(root > 0, -b - root.clamp(min=0).sqrt(), torch.zeros(()))
    depth = (t * (d @ camera.world_to_camera[2, :3])).numpy()
    normal = normals_of(depth, camera)
    truth = ((o + d * t[..., None]) / 0.5).numpy()
    facing = (root > 0.05).numpy()
    assert ((normal * truth).sum(-1)[facing] > 0.99).all()
    assert (
        np.abs(np.linalg.norm(normal, axis=-1)[depth > 0] - 1).max() < 1e-9
        and not normal[depth == 0].any()
    )


def harm_array(name: str, value: np.ndarray) -> Callable[[Path], None]:
    return lambda root: np.save(root / "parm" / "0003_004" / name, value)


def swap_body(root: Path) -> None:
    path = root / "smplx" / "0003" / "smplx.npz"
    with np.load(path) as data:
        body = {key: data[key] for key in data.files}
    np.savez(path, **{**body, "vertices": body["vertices"] + np.float32(0.3)})


def half_a_body(root: Path) -> None:
    path = root / "smplx" / "0003" / "smplx.npz"
    with np.load(path) as data:
        body = {key: data[key] for key in data.files}
    np.savez(path, **{**body, "vertices": body["vertices"][:6890]})


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no images", lambda r: shutil.rmtree(r / "img"), r"img/0003_000: the views of 0003 are \[\]"),
    ("a gap", lambda r: shutil.rmtree(r / "img" / "0003_005"), "without a gap"),
    (
        "no image",
        lambda r: (r / "img" / "0003_003" / "0.jpg").unlink(),
        r"0003_003/0\.jpg: cannot be read",
    ),
    (
        "cut image",
        lambda r: (r / "img" / "0003_003" / "0.jpg").write_bytes(b"\xff\xd8\xff"),
        r"0003_003/0\.jpg: not a readable",
    ),
    (
        "no mask",
        lambda r: (r / "mask" / "0003_003" / "0.png").unlink(),
        r"0003_003/0\.png: cannot be read",
    ),
    (
        "empty mask",
        lambda r: Image.new("RGB", (96, 96)).save(r / "mask" / "0003_003" / "0.png"),
        "nobody is in view 3",
    ),
    (
        "other size",
        lambda r: Image.new("RGB", (64, 96)).save(r / "mask" / "0003_003" / "0.png"),
        "its mask is 64 x 96 pixels",
    ),
    (
        "not square",
        lambda r: Image.new("RGB", (64, 96)).save(r / "img" / "0003_000" / "0.jpg"),
        "expected a square image",
    ),
    (
        "no camera",
        lambda r: (r / "parm" / "0003_004" / "0_extrinsic.npy").unlink(),
        r"0_extrinsic\.npy: cannot be read",
    ),
    (
        "text",
        lambda r: (r / "parm" / "0003_004" / "0_intrinsic.npy").write_text("1 0 0"),
        "not a readable npy",
    ),
    (
        "4 x 4",
        harm_array("0_extrinsic.npy", np.eye(4)),
        r"float64 \(4, 4\), expected numbers \(3, 4\)",
    ),
    ("nan", harm_array("0_intrinsic.npy", np.full((3, 3), np.nan)), "holds NaN or infinity"),
    ("objects", harm_array("0_intrinsic.npy", np.array([None])), "not a readable npy"),
    ("no rotation", harm_array("0_extrinsic.npy", 2 * np.eye(4)[:3]), "is not a rotation"),
    ("mirrored", harm_array("0_extrinsic.npy", np.diag([1.0, 1, -1, 1])[:3]), "is not a rotation"),
    ("not pixels", harm_array("0_intrinsic.npy", np.eye(3) * 2), "not a pinhole's K"),
    (
        "two depths",
        lambda r: shutil.copy(
            next((r / "depth" / "0003_000").iterdir()), r / "depth" / "0003_000" / "a.png"
        ),
        "2 depth images",
    ),
    (
        "8-bit depth",
        lambda r: Image.new("L", (96, 96)).save(next((r / "depth" / "0003_004").iterdir())),
        "one channel of 16 bits",
    ),
    (
        "one depth less",
        lambda r: shutil.rmtree(r / "depth" / "0003_004"),
        "depth/0003_004: no depth image, but other views have",
    ),
    ("no body", lambda r: shutil.rmtree(r / "smplx"), r"no smplx\.npz and no smplx_param\.pkl"),
    ("half a body", half_a_body, "vertices is missing or not"),
    ("another body", swap_body, "the silhouettes of the body and of the person in the views"),
]


@pytest.mark.parametrize(
    ("harm", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_each_fault_is_one_line(
    copy: Path, tmp_path: Path, male: BodyModel, harm: Callable[[Path], object], words: str
) -> None:
    harm(copy)
    scan = MultiviewScan(copy, "0003", male)
    with pytest.raises(InputError, match=words) as caught:
        given_key(scan, 96)
        check_given(scan, male.faces.numpy())
        write_given(scan, tmp_path / "out", size=96)
    assert (
        "\n" not in str(caught.value)
        and str(copy) in str(caught.value)
        and not (tmp_path / "out").exists()
    )
