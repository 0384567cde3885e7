"""Clips in IMavatar's format: both ways, cameras, pictures, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from head_clips import random_clip, write_random_clip
from PIL import Image

from hgm.errors import InputError
from hgm.systems.monogaussian.clip import ARRAYS, concatenated
from hgm.systems.monogaussian.clip_file import read_clip, write_clip
from hgm.systems.monogaussian.clip_pictures import ClipPictures


def test_a_clip_that_is_written_is_read_the_same(tmp_path: Path) -> None:
    clip = write_random_clip(tmp_path / "a")
    found = read_clip(tmp_path / "a")
    assert found.names == clip.names and found.folders == clip.folders and not found.set_aside
    for name in ("shape", *ARRAYS):
        array = getattr(found, name)
        assert array.dtype == np.float32 and np.array_equal(array, getattr(clip, name)), name
    first = (tmp_path / "a/flame_params.json").read_bytes()
    write_clip(found, tmp_path / "a")
    assert (tmp_path / "a/flame_params.json").read_bytes() == first


def test_the_file_has_the_keys_and_shapes_of_imavatar(tmp_path: Path) -> None:
    write_random_clip(tmp_path)
    data = json.loads((tmp_path / "flame_params.json").read_text())
    assert set(data) == {"intrinsics", "shape_params", "frames"}
    assert np.shape(data["intrinsics"]) == (4,) and np.shape(data["shape_params"]) == (100,)
    assert data["intrinsics"][0] < 0 < data["intrinsics"][1]
    assert [frame["file_path"] for frame in data["frames"][:2]] == ["image/1", "image/2"]
    shapes = {key: np.shape(data["frames"][0][key]) for key in data["frames"][0]}
    assert shapes == {
        "file_path": (),
        "world_mat": (3, 4),
        "expression": (50,),
        "pose": (15,),
        "bbox": (3,),
        "flame_keypoints": (70, 2),
    }


def test_cameras_are_those_of_the_numbers_in_the_file(tmp_path: Path) -> None:
    """The file's own projection, in OpenGL's axes: u = fx * X / Z + cx, with its negative fx."""
    write_random_clip(tmp_path)
    data = json.loads((tmp_path / "flame_params.json").read_text())
    fx, fy, cx, cy = data["intrinsics"]
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (9, 3))
    cameras = read_clip(tmp_path).cameras(200)
    pixels, depth = cameras.project(torch.from_numpy(points).float().expand(24, 9, 3))
    for i, frame in enumerate(data["frames"]):
        matrix = np.array(frame["world_mat"])
        x, y, z = (points @ matrix[:, :3].T + matrix[:, 3]).T
        assert (z < 0).all()
        expected = 200 * np.stack([fx * x / z + cx, fy * y / z + cy], 1)
        np.testing.assert_allclose(pixels[i].numpy(), expected, atol=1e-3)
        np.testing.assert_allclose(depth[i].numpy(), -z, rtol=1e-5)


def test_a_point_to_the_left_of_the_person_is_on_the_right_of_the_picture(tmp_path: Path) -> None:
    """+x of FLAME's world is the person's left, +y up, and the face looks along +z."""
    clip = random_clip(tmp_path)
    clip.world_to_camera[:] = np.diag([1, -1, -1, 1])
    clip.world_to_camera[:, 2, 3] = 4
    points = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.3, 0.0]])
    (left, up), _ = clip.cameras(100)[0].project(points)
    middle = 100 * torch.from_numpy(clip.center[0])
    assert left[0] > middle[0] + 5 and torch.isclose(left[1], middle[1])
    assert up[1] < middle[1] - 5 and torch.isclose(up[0], middle[0])


def test_pictures_are_over_white_by_their_soft_masks(tmp_path: Path) -> None:
    clips = [
        write_random_clip(tmp_path / name, frames, seed=7) for name, frames in (("a", 20), ("b", 3))
    ]
    pictures = ClipPictures(clips, 16)
    assert len(pictures) == 23
    for frame, red in ((4, 14), (21, 11)):
        for _ in range(2):  # decoded, then kept
            image, mask = pictures.image(frame), pictures.mask(frame)
            assert image.shape == (3, 16, 16) and mask.shape == (1, 16, 16)
            assert image[:, 2, 2].tolist() == [red, 100, 200] and mask[0, 2, 2] == 255
            assert image[:, 2, 12].tolist() == [255] * 3 and mask[0, 2, 12] == 0
            # two pixels of 32, all and half of which are covered, are one of 16
            assert mask[0, 2, 7] == round((255 + 128) / 2)
            share = (1 + 128 / 255) / 2
            assert abs(int(image[0, 2, 7]) - (red * share + 255 * (1 - share))) < 1
    labels = pictures.semantic(3)
    assert labels.dtype == torch.uint8 and labels[2, 2] == 17 and labels[12, 12] == 0
    assert pictures.has_semantic(3)
    path = clips[0].path("semantic", 3)
    Image.open(path).convert("RGB").save(path)
    assert torch.equal(pictures.semantic(3), labels)
    Image.new("RGB", (32, 32), (1, 2, 3)).save(path)
    with pytest.raises(InputError, match=r"semantic/4\.png: expected one channel of labels"):
        pictures.semantic(3)
    Image.new("L", (32, 32), 255).save(path)
    with pytest.raises(InputError, match=r"labels from 0 to 18.*up to 255"):
        pictures.semantic(3)
    path.unlink()
    assert not pictures.has_semantic(3)


def test_pictures_that_are_kept_need_no_file(tmp_path: Path) -> None:
    clip = write_random_clip(tmp_path)
    kept, decoded = ClipPictures([clip], 32), ClipPictures([clip], 32, limit=0)
    first = [kept.image(i) for i in range(24)]
    for i in range(24):
        assert torch.equal(decoded.image(i), first[i])
        clip.path("image", i).unlink()
    assert all(torch.equal(kept.image(i), first[i]) for i in range(24))
    with pytest.raises(InputError, match=r"image/1\.png: not a readable image"):
        decoded.image(0)


def test_clips_one_after_the_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a, b = (write_random_clip(tmp_path / name, 20, seed) for seed, name in enumerate("ab"))
    both = concatenated([a, b])
    assert len(both) == 40 and both.path("mask", 21) == tmp_path / "b/mask/2.png"
    assert np.array_equal(both.pose, np.concatenate([a.pose, b.pose]))
    assert np.array_equal(both.shape, a.shape)
    assert f"{tmp_path}/b/flame_params.json: shape_params differ from those of a" in caplog.text
    with pytest.raises(InputError, match="a clip is given twice"):
        concatenated([a, a])


def test_a_folder_above_may_be_called_image(tmp_path: Path) -> None:
    folder = tmp_path / "image" / "mask" / "image_clip"
    write_random_clip(folder)
    clip = read_clip(folder)
    assert clip.path("mask", 4) == folder / "mask" / "5.png"
    assert ClipPictures([clip], 16).mask(4).max() == 255


def test_a_driving_clip_needs_no_pictures(tmp_path: Path) -> None:
    write_clip(random_clip(tmp_path), tmp_path)
    assert len(read_clip(tmp_path, pictures=False)) == 24
    with pytest.raises(InputError, match=r"image/1\.png: no such file.*24 of 24 frames"):
        read_clip(tmp_path)


Change = Callable[[dict[str, Any]], Any]


def in_frame(key: str, value: Any, frame: int = 2) -> Change:
    return lambda data: data["frames"][frame].update({key: value})


FAULTS: dict[str, tuple[Change, str]] = {
    "no intrinsics": (lambda d: d.pop("intrinsics"), r"the key intrinsics is missing"),
    "no shape": (lambda d: d.pop("shape_params"), r"the key shape_params is missing"),
    "no frames": (lambda d: d.pop("frames"), r"the key frames is missing"),
    "frames empty": (lambda d: d.update(frames=[]), r"frames is empty"),
    "frames by name": (lambda d: d.update(frames={"1": 2}), r"frames is no list"),
    "no pose": (lambda d: d["frames"][2].pop("pose"), r"frame 3: the key pose is missing"),
    "no path": (lambda d: d["frames"][2].pop("file_path"), r"frames\[2\]: the key file_path"),
    "no landmarks": (
        lambda d: d["frames"][0].pop("flame_keypoints"),
        r"frame 1: the key flame_keypoints is missing",
    ),
    "pose of DECA": (in_frame("pose", [0.0] * 6), r"frame 3: pose is \[6\].*DECA's.*neck and eyes"),
    "expressions of DECA's width": (
        in_frame("expression", [0.0] * 100),
        r"frame 3: expression is \[100\], expected \[50\]; fit FLAME 2020 with 50",
    ),
    "shape of 300": (lambda d: d.update(shape_params=[0.0] * 300), r"shape_params is \[300\]"),
    "not a number": (
        in_frame("expression", [float("nan")] * 50),
        r"frame 3: expression holds numbers that are not finite",
    ),
    "words": (in_frame("pose", ["a"] * 15), r"frame 3: pose does not hold numbers"),
    "ragged": (in_frame("world_mat", [[1, 0], [1]]), r"frame 3: world_mat does not hold numbers"),
    "stretched": (
        in_frame("world_mat", [[4, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, -4]]),
        r"frame 3: world_mat is no rotation",
    ),
    "focal length 0": (
        lambda d: d.update(intrinsics=[0, 1, 0.5, 0.5]),
        r"intrinsics: a focal length is 0",
    ),
    "names from 0": (in_frame("file_path", "image/0"), r"the first frame is called 0, expected 1"),
    "names from 2": (lambda d: d["frames"].pop(0), r"the first frame is called 2, expected 1"),
    "a name twice": (in_frame("file_path", "image/2"), r"frame 2 is there twice"),
    "no number": (in_frame("file_path", "image/front"), r"file_path is 'image/front', expected"),
    "way out": (in_frame("file_path", "../image/3"), r"file_path is '../image/3', expected"),
    "no picture": (in_frame("file_path", "image/99"), r"image/99\.png: no such file.*1 of 24"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    write_random_clip(tmp_path)
    path = tmp_path / "flame_params.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as found:
        read_clip(tmp_path)
    assert str(tmp_path) in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"frames": '])
def test_what_is_no_json_of_a_clip_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "flame_params.json").write_text(content)
    with pytest.raises(InputError, match=r"flame_params\.json.*export the tracked clip again"):
        read_clip(tmp_path)
