"""HuMMan's cameras, masks and fits become a view folder of the same person."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_scans import smpl_arrays, write_humman

from hgm.body.model import BodyModel
from hgm.errors import InputError, ScanError
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_views
from hgm.render.given import write_given
from hgm.scans.given import check_given
from hgm.scans.humman import HummanFrame, humman_frame
from hgm.standin.body import core

NAME = "p000455_a000986"
MASK = "kinect_mask/kinect_007/000000.png"


@pytest.fixture(scope="module")
def neutral() -> BodyModel:
    return BodyModel(core.model("neutral"))


@pytest.fixture(scope="module")
def models(neutral: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "smpl").mkdir()
    np.savez(folder / "smpl" / "SMPL_NEUTRAL.npz", **smpl_arrays(neutral))
    return folder


@pytest.fixture(scope="module")
def sequence(
    neutral: BodyModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, np.ndarray]:
    root = tmp_path_factory.mktemp("humman")
    return root, write_humman(root, NAME, neutral, seed=5)


@pytest.fixture
def frame(
    sequence: tuple[Path, np.ndarray], tmp_path: Path, neutral: BodyModel, models: Path
) -> HummanFrame:
    return humman_frame(shutil.copytree(sequence[0], tmp_path / "humman"), NAME, neutral, models)


def test_the_body_is_where_the_person_was(
    frame: HummanFrame, sequence: tuple[Path, np.ndarray]
) -> None:
    """The stored camera on the person's vertices in the world, and ours on the body, see the same
    pixels."""
    stored = json.loads((frame.place / "cameras.json").read_text())
    ours, depth = frame.cameras.project(frame.placed_body.body.vertices.double().expand(10, -1, 3))
    meter = float(frame.placed_body.body.nu_per_metre)
    for i in range(10):
        camera = {key: np.array(value) for key, value in stored[f"kinect_color_{i:03d}"].items()}
        seen = sequence[1] @ camera["R"].T + camera["T"]
        pixels = (seen @ camera["K"].T)[:, :2] / seen[:, 2:]
        corner = camera["K"][:2, 2] - frame.cameras.K[i, :2, 2].numpy()
        assert np.abs(ours[i].numpy() + corner - pixels).max() < 0.5
        assert np.abs(depth[i].numpy() / meter - seen[:, 2]).max() < 0.01


def test_a_view_folder(frame: HummanFrame, neutral: BodyModel, tmp_path: Path) -> None:
    check_given(frame, neutral.faces.numpy())
    write_given(frame, tmp_path / NAME, size=64)
    views = load_views(tmp_path / NAME)
    assert views.rgb.shape == (10, 3, 64, 64) and not frame.has_depth
    assert not list((tmp_path / NAME).glob("depth_*")) and not list(
        (tmp_path / NAME).glob("normal_*")
    )
    inside = views.mask[:, 0] == 1
    beyond = views.mask[:, 0] == 0
    rgb = views.rgb.movedim(1, -1)
    # no green is left
    assert rgb[beyond].min() == 1 and torch.allclose(rgb[inside], torch.tensor(90 / 255), atol=1e-3)
    for mask in inside:
        ys, xs = mask.nonzero().T
        assert ys.min() > 0 and ys.max() < 63 and xs.min() > 0 and xs.max() < 63
    feet = (views.cameras.centers.mean(0)).abs().max()
    assert feet < 0.5  # the ring is around the origin
    seen = Viewpoints.read(tmp_path / NAME)
    assert abs(seen.front - seen.back) == 5 and seen.measured == tuple(
        i for i in range(10) if i != seen.front
    )


def test_frames_have_names(frame: HummanFrame, neutral: BodyModel, models: Path) -> None:
    later = humman_frame(frame.root, f"{NAME}_000006", neutral, models)
    assert later.place == frame.place
    with pytest.raises(ScanError, match=r"kinect_000/000006\.png: not a readable image"):
        later.picture(0)
    with pytest.raises(ScanError, match="p000999_a000001: no such sequence"):
        humman_frame(frame.root, "p000999_a000001", neutral, models)
    with pytest.raises(InputError, match="no sequences; expected p000455_a000986"):
        humman_frame(frame.place, NAME, neutral, models)


def test_manual_masks_stand_in(frame: HummanFrame) -> None:
    before = frame.picture(3)
    (frame.place / "kinect_mask").rename(frame.place / "kinect_mask_manual")
    again = HummanFrame(frame.root, frame.name, frame.model, frame.models)
    np.testing.assert_array_equal(again.picture(3).mask, before.mask)


def test_a_person_at_the_border_is_padded_with_white(frame: HummanFrame) -> None:
    """The crop may reach beyond the image."""
    folder = frame.place
    mask = folder / "kinect_mask" / "kinect_002" / "000000.png"
    Image.fromarray(np.roll(np.asarray(Image.open(mask)), -100, 1)).save(mask)
    picture = frame.picture(2)
    assert (
        picture.rgb.shape[:2] == picture.mask.shape == (frame.cameras.height, frame.cameras.width)
    )
    assert (picture.rgb[picture.mask == 0] == 255).all()
    # the image's middle has moved right: the crop starts left of the image
    assert frame.cameras.K[2, 0, 2] > 160


def camera_without(key: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        data = json.loads((folder / "cameras.json").read_text())
        del data["kinect_color_004"][key]
        (folder / "cameras.json").write_text(json.dumps(data))

    return harm


def fit_with(**changes: np.ndarray) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = folder / "smpl_params" / "000000.npz"
        with np.load(path) as data:
            arrays = {key: data[key] for key in data.files}
        np.savez(path, **{**arrays, **changes})

    return harm


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no cameras", lambda f: (f / "cameras.json").unlink(), r"cameras\.json: cannot be read"),
    ("cut cameras", lambda f: (f / "cameras.json").write_text("{"), "not a readable JSON"),
    ("no R", camera_without("R"), "kinect_color_004 lacks a numeric K, R or T"),
    (
        "no fit",
        lambda f: (f / "smpl_params" / "000000.npz").unlink(),
        r"000000\.npz: cannot be read",
    ),
    (
        "cut fit",
        lambda f: (f / "smpl_params" / "000000.npz").write_bytes(b"PK"),
        "not a readable npz",
    ),
    (
        "SMPL-X pose",
        fit_with(body_pose=np.zeros(63)),
        "body_pose is missing or not 69 finite numbers",
    ),
    ("nan", fit_with(transl=np.full(3, np.nan)), "transl is missing or not 3 finite numbers"),
    (
        "elsewhere",
        fit_with(transl=np.array([0.5, 0, 3.5])),
        "the silhouettes of the body and of the person in the views",
    ),
    ("no mask", lambda f: (f / MASK).unlink(), f"{MASK}: not a readable image"),
    ("empty mask", lambda f: Image.new("L", (320, 180)).save(f / MASK), "nobody is in this view"),
    (
        "other size",
        lambda f: Image.new("RGB", (160, 90)).save(
            f / "kinect_color" / "kinect_000" / "000000.png"
        ),
        "its mask has",
    ),
]


@pytest.mark.parametrize(
    ("harm", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_each_fault_is_one_line(
    frame: HummanFrame, neutral: BodyModel, harm: Callable[[Path], object], words: str
) -> None:
    harm(frame.place)
    with pytest.raises(InputError, match=words) as caught:
        check_given(frame, neutral.faces.numpy())
    assert "\n" not in str(caught.value) and str(frame.place) in str(caught.value)
