"""Captures are read in the files of all three data sets, and what is wrong with one is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from capture_files import (
    FRAMES,
    HEIGHT,
    LAYOUTS,
    NAMES,
    WIDTH,
    camera_numbers,
    parameters,
    picture_paths,
    write_calibration,
    write_capture,
    write_pictures,
)
from PIL import Image

from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.systems.animatable.captures import open_capture
from hgm.systems.animatable.captures.footage import Footage, footage_of
from hgm.systems.animatable.captures.usable import name_of, set_aside_in, unusable_shots
from hgm.systems.animatable.check import content_digest
from hgm.systems.animatable.layout import frames_of
from hgm.systems.animatable.settings import Capture as Section


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_capture_of_each_layout_is_read(layout: str, tmp_path: Path) -> None:
    arrays = write_capture(tmp_path, layout)
    capture = open_capture(tmp_path, layout)
    assert tuple(capture.cameras) == NAMES[layout]
    for i, name in enumerate(NAMES[layout]):
        K, R, T = camera_numbers(i)
        camera = capture.cameras[name]
        assert (camera.width, camera.height) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(camera.K.numpy(), K, atol=1e-4)
        np.testing.assert_allclose(camera.world_to_camera[:3, :3].numpy(), R, atol=1e-6)
        np.testing.assert_allclose(camera.world_to_camera[:3, 3].numpy(), T, atol=1e-5)
        for frame in range(FRAMES):
            picture = capture.picture(name, frame)
            color = picture.rgb.float().mean((1, 2)).numpy()
            np.testing.assert_allclose(color, [200, 40 + 20 * frame, 10 + 30 * i], atol=3)
            assert picture.alpha.shape == (1, HEIGHT, WIDTH)
            assert picture.alpha[0, 12, 12] == 255 and not picture.alpha[0, :4].any()
            paths = capture.image_path(name, frame), capture.mask_path(name, frame)
            assert paths == picture_paths(tmp_path, layout, name, frame)
    for name, array in arrays.items():
        np.testing.assert_allclose(getattr(capture.motion, name), array, atol=1e-6)


def test_what_a_jpeg_leaves_around_black_and_white_is_black_and_white(tmp_path: Path) -> None:
    write_capture(tmp_path)
    levels = np.array([0, 3, 5, 6, 128, 249, 250, 253, 255], np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[0, : len(levels)] = levels
    path = picture_paths(tmp_path, "avatarrex", NAMES["avatarrex"][0], 0)[1]
    Image.fromarray(mask).save(path, "PNG")  # Pillow goes by the content, not by the ending
    found = open_capture(tmp_path, "avatarrex").picture(NAMES["avatarrex"][0], 0).alpha
    assert found[0, 0, : len(levels)].tolist() == [0, 0, 0, 6, 128, 249, 255, 255, 255]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lists_of_what_is_lacking_are_read_where_there_are_any(layout: str, tmp_path: Path) -> None:
    write_capture(tmp_path, layout)
    assert open_capture(tmp_path, layout).missing == frozenset()
    first, second, _ = NAMES[layout]
    image = picture_paths(tmp_path, layout, first, 2)[0]
    mask = picture_paths(tmp_path, layout, second, 3)[1]
    windows = str(image.relative_to(tmp_path)).replace("/", "\\")
    (tmp_path / "missing_img_files.txt").write_text(f"{windows}\r\n\n")
    (tmp_path / "missing_msk_files.txt").write_text(f"./{mask.relative_to(tmp_path)}\n")
    image.unlink()
    mask.unlink()
    capture = open_capture(tmp_path, layout)
    assert capture.missing == {(first, 2), (second, 3)}
    assert not capture.has(first, 2) and capture.has(first, 1) and not capture.has(first, FRAMES)
    assert image not in capture.files(NAMES[layout], range(FRAMES))
    with pytest.raises(InputError, match=f"no picture of frame 2 by camera {first}"):
        capture.picture(first, 2)
    assert not unusable_shots(capture, [(name, i) for name in NAMES[layout] for i in range(4)])
    (tmp_path / "missing_img_files.txt").write_text("Elsewhere/00000001.jpg\n")
    with pytest.raises(InputError, match=r"line 1: 'Elsewhere/00000001\.jpg' names no picture"):
        open_capture(tmp_path, layout)


def test_betas_of_each_frame_are_taken_where_they_are_equal(tmp_path: Path) -> None:
    arrays = write_capture(tmp_path)
    same = {**arrays, "betas": np.repeat(arrays["betas"], FRAMES, 0)}
    np.savez(tmp_path / "smpl_params.npz", **same)
    betas = open_capture(tmp_path, "avatarrex").motion.betas
    assert betas.shape == (1, 10)
    np.testing.assert_allclose(betas, arrays["betas"], atol=1e-6)
    same["betas"][2, 0] += 0.5
    np.savez(tmp_path / "smpl_params.npz", **same)
    with pytest.raises(InputError, match=r"betas differ between the frames, by up to 0\.5"):
        open_capture(tmp_path, "avatarrex")


def change(**values: object) -> Callable[[Path], None]:
    """Write other parameters."""

    def write(root: Path) -> None:
        arrays = {**parameters(), **values}
        np.savez(root / "smpl_params.npz", **{k: v for k, v in arrays.items() if v is not None})

    return write


def calibrate(key: str, value: object) -> Callable[[Path], None]:
    """Write another value of the second camera."""

    def write(root: Path) -> None:
        path = root / "calibration_full.json"
        data = json.loads(path.read_text())
        data[NAMES["avatarrex"][1]][key] = value
        path.write_text(json.dumps(data))

    return write


def drop_camera(root: Path) -> None:
    path = root / "calibration_full.json"
    data = json.loads(path.read_text())
    del data["22010710"]
    path.write_text(json.dumps(data))


CAMERA = r"calibration_full.json: 22010710: "
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (
        lambda root: shutil.rmtree(root / "22010710"),
        r"has the camera 22010710, but there is no folder .*22010710 with its pictures; name",
    ),
    "calibration": (drop_camera, r"has pictures of the camera 22010710, but calibration_full.json"),
    "no calibration": (
        lambda root: (root / "calibration_full.json").unlink(),
        r"calibration_full.json: no such file",
    ),
    "damaged": (
        lambda root: (root / "calibration_full.json").write_text("[1"),
        r"calibration_full.json: not a readable JSON file",
    ),
    "key": (calibrate("K", [1.0] * 8), CAMERA + r"K holds 8 numbers, expected 9"),
    "NaN": (calibrate("T", [0.0, float("nan"), 1.0]), CAMERA + r"T holds 3 numbers, expected 3"),
    "rotation": (calibrate("R", [2.0, 0, 0, 0, 2, 0, 0, 0, 2]), CAMERA + r".* not a rotation"),
    "millimeters": (
        calibrate("T", [0.0, 100.0, 3000.0]),
        CAMERA + r"the camera is 3002 away .* expected meters; millimeters have to be divided",
    ),
    "no parameters": (
        lambda root: (root / "smpl_params.npz").unlink(),
        r"smpl_params.npz: no such file; expected SMPL-X of each frame",
    ),
    "hands": (
        change(left_hand_pose=np.zeros((FRAMES, 12))),
        r"left_hand_pose is \(4, 12\), expected \(frames, 45\).* use_pca=False",
    ),
    "transl": (
        change(transl=np.full((FRAMES, 3), 2750.0)),
        r"transl reaches 2750, expected meters, at most 10; millimeters have to be divided",
    ),
    "infinite": (
        change(body_pose=np.full((FRAMES, 63), np.inf)),
        r"smpl_params.npz: body_pose holds numbers that are not finite",
    ),
    "width": (
        change(body_pose=np.zeros((FRAMES, 69))),
        r"smpl_params.npz: body_pose is \(4, 69\), expected \(frames, 63\)",
    ),
    "absent": (change(transl=None), r"smpl_params.npz: the key transl is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_capture_is_named(case: str, tmp_path: Path) -> None:
    write_capture(tmp_path)
    spoil, message = WRONG[case]
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        open_capture(tmp_path, "avatarrex")


def test_a_table_of_cameras_is_read_strictly(tmp_path: Path) -> None:
    write_capture(tmp_path, "actorshq")
    path = tmp_path / "4x/calibration.csv"
    text = path.read_text()
    for spoiled, message in (
        (text.replace("name,w", "camera,w", 1), "row 1: the column name is missing"),
        (text.replace(",py\n", ",q\n", 1), "Cam001: the column py is None, expected a number"),
        (text.splitlines()[0], "holds no camera"),
        (text.replace(str(float(WIDTH)), "wide", 1), "Cam001: the column w is 'wide'"),
    ):
        path.write_text(spoiled)
        with pytest.raises(InputError, match=message):
            open_capture(tmp_path, "actorshq")


def test_cameras_that_are_not_asked_for_need_no_pictures(tmp_path: Path) -> None:
    write_capture(tmp_path)
    shutil.rmtree(tmp_path / "22010710")
    capture = open_capture(tmp_path, "avatarrex", ["22139907", "22010708"])
    assert list(capture.cameras) == ["22139907", "22010708"]
    with pytest.raises(InputError, match=r"has no camera 7; it has 22010708, 22010710"):
        open_capture(tmp_path, "avatarrex", ["7"])
    with pytest.raises(InputError, match=r"capture.root: .*none: no such folder"):
        open_capture(tmp_path / "none", "avatarrex")


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    write_capture(tmp_path)
    write_calibration(tmp_path, "avatarrex", (WIDTH, HEIGHT + 2))
    capture = open_capture(tmp_path, "avatarrex")
    message = "24 x 32 pixels, calibration_full.json says 24 x 34; expected"
    with pytest.raises(InputError, match=message):
        capture.picture("22010708", 0)
    with pytest.raises(InputError, match=message):
        unusable_shots(capture, [("22010708", 0)])


def test_unusable_pictures_are_set_aside_with_their_reason(tmp_path: Path) -> None:
    write_capture(tmp_path)
    first, second, third = NAMES["avatarrex"]
    empty = np.zeros((HEIGHT, WIDTH), np.uint8)
    Image.fromarray(empty).save(picture_paths(tmp_path, "avatarrex", first, 1)[1])
    picture_paths(tmp_path, "avatarrex", second, 2)[0].write_bytes(b"\xff\xd8 no picture")
    few = empty.copy()
    few[3, 3] = 255  # one pixel of somebody far away
    write_pictures(tmp_path, "avatarrex", third, 0, np.zeros((HEIGHT, WIDTH, 3), np.uint8), few)
    capture = open_capture(tmp_path, "avatarrex")
    shots = [(name, i) for name in NAMES["avatarrex"] for i in range(FRAMES)]
    reasons = unusable_shots(capture, shots)
    assert set(reasons) == {(first, 1), (second, 2)}
    assert reasons[first, 1] == "the mask is empty: it shows nobody"
    assert "not a readable image" in reasons[second, 2]
    write_json(tmp_path / "check.json", {"set_aside": {name_of(s): w for s, w in reasons.items()}})
    left = capture.without(set_aside_in(tmp_path / "check.json"))
    assert not left.has(first, 1) and not left.has(second, 2) and left.has(third, 0)
    with pytest.raises(InputError, match=f"none of the 1 pictures of camera {first} can be used"):
        unusable_shots(capture, [(first, 1), (second, 0)])


def test_frames_without_parameters_or_pictures_are_named(tmp_path: Path) -> None:
    write_capture(tmp_path)
    capture = open_capture(tmp_path, "avatarrex")
    with pytest.raises(InputError, match=r"frame 4 of camera 22010708 .* frames 0 to 3; shorten"):
        unusable_shots(capture, [("22010708", 4)])
    picture_paths(tmp_path, "avatarrex", "22010708", 3)[0].unlink()
    with pytest.raises(InputError, match=r"00000003.jpg: no such file.* \(1 of 8 files lack\)"):
        unusable_shots(capture, [("22010708", i) for i in range(FRAMES)])


def section(**changes: object) -> Section:
    data = {"root": "x", "models": "y", "train": "0-1", "test": "2-3", **changes}
    return Section.model_validate(data)


def test_footage_is_what_the_configuration_names() -> None:
    cameras = ["a", "b", "c"]
    assert footage_of(section(), cameras, "train") == Footage((0, 1), ("a", "b", "c"))
    apart = section(held_out=["b"])
    assert footage_of(apart, cameras, "train", held_out=False) == Footage((0, 1), ("a", "c"))
    assert footage_of(apart, cameras, "train", held_out=True) == Footage((0, 1), ("b",))
    assert footage_of(apart, cameras, "test") == Footage((2, 3), ("a", "c", "b"))
    some = section(cameras=["c"], held_out=["a"])
    assert footage_of(some, cameras, "train", held_out=False).cameras == ("c",)
    shots = Footage((2, 3, 4), ("a", "b")).shots(every=2)
    assert shots == [("a", 2), ("b", 2), ("a", 4), ("b", 4)]
    with pytest.raises(InputError, match=r"capture.held_out: d is no camera of the capture"):
        footage_of(section(held_out=["d"]), cameras, "train")
    with pytest.raises(InputError, match="names all cameras; leave some to train on"):
        footage_of(section(held_out=cameras), cameras, "train")
    with pytest.raises(InputError, match="frames 5-3: none is in this range"):
        frames_of("5-3")


def test_test_frames_and_held_out_cameras_are_read_by_nobody_who_trains(tmp_path: Path) -> None:
    arrays = write_capture(tmp_path)
    _, second, third = NAMES["avatarrex"]
    capture = open_capture(tmp_path, "avatarrex")
    chosen = section(held_out=[third])
    train = footage_of(chosen, list(capture.cameras), "train", held_out=False)
    before = content_digest(capture, train)
    for frame in (2, 3):
        for name in NAMES["avatarrex"]:
            for path in picture_paths(tmp_path, "avatarrex", name, frame):
                path.unlink()
    for frame in (0, 1):
        for path in picture_paths(tmp_path, "avatarrex", third, frame):
            path.unlink()
    arrays["body_pose"][2:] += 0.1
    np.savez(tmp_path / "smpl_params.npz", **arrays)
    capture = open_capture(tmp_path, "avatarrex")
    assert not unusable_shots(capture, train.shots())
    assert content_digest(capture, train) == before
    for shot in train.shots():
        assert capture.picture(*shot).alpha.any()
    # and each of what is read counts
    arrays["body_pose"][1] += 0.1
    np.savez(tmp_path / "smpl_params.npz", **arrays)
    changed = content_digest(open_capture(tmp_path, "avatarrex"), train)
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    write_pictures(tmp_path, "avatarrex", second, 1, black, black[..., 0] + 255)
    other = content_digest(open_capture(tmp_path, "avatarrex"), train)
    assert len({before, changed, other}) == 3
