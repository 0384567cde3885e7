"""Files of two cameras: what they say of a cropped photo, and what is wrong with them."""

import json
import re

import numpy as np
import pytest
import torch
from ball_pairs import rig
from checkouts import ROOT

from hgm.errors import InputError
from hgm.systems.posegaussian.rig import spacing
from hgm.systems.posegaussian.rig_file import read_rig

PHOTO = (200, 160)
CAMERAS = rig(size=200)
K = CAMERAS.K.tolist()
E = CAMERAS.world_to_camera[:, :3].tolist()


def written(path, **changes):
    """The file, with changes of the right camera; None leaves a key out."""
    left, right = ({"K": k, "world_to_camera": e} for k, e in zip(K, E, strict=True))
    right = {key: value for key, value in {**right, **changes}.items() if value is not None}
    path.write_text(json.dumps({"left": left, "right": right}))
    return path


def test_the_last_row_may_be_there(tmp_path):
    whole = CAMERAS.world_to_camera[1].numpy()
    for changes in ({}, {"world_to_camera": whole.tolist()}, {"distortion": [0, 0, 0, 0]}):
        right = read_rig(written(tmp_path / "rig.json", **changes))[1]
        np.testing.assert_allclose(right.world_to_camera, whole)
        np.testing.assert_allclose(right.K, K[1])
        assert right.size is None


def test_the_rig_of_the_docs(tmp_path):
    page = (ROOT / "docs/posegaussian.md").read_text()
    (tmp_path / "rig.json").write_text(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    left, right = read_rig(tmp_path / "rig.json")
    assert spacing(left.world_to_camera, right.world_to_camera) == pytest.approx(22.5, abs=1e-3)
    # the right one stands at its side
    assert (left.world_to_camera @ np.linalg.inv(right.world_to_camera))[0, 3] > 0.7


@pytest.mark.parametrize("scale", [1, 3])
def test_a_point_is_where_the_crop_shows_it(tmp_path, scale):
    """The same of a photo that is larger than those of the calibration."""
    sizes = {} if scale == 1 else {"width": PHOTO[0], "height": PHOTO[1]}
    right = read_rig(written(tmp_path / "rig.json", **sizes))[1]
    photo = np.array(PHOTO) * scale
    corner, side = np.array([30.0, -12.0]) * scale, 120.0 * scale
    box = (*(corner / photo), *((corner + side) / photo))
    points = torch.tensor([[0.1, 1.2, 0.3], [-0.3, 0.4, 0.0]]).double()
    pixels, _ = CAMERAS[1:].project(points[None])
    expected = (scale * pixels[0].numpy() - corner) * 64 / side
    cropped = right.cropped(tuple(photo.tolist()), box, 64)
    seen = points.numpy() @ right.world_to_camera[:3, :3].T + right.world_to_camera[:3, 3]
    shown = seen @ cropped.T
    np.testing.assert_allclose(shown[:, :2] / shown[:, 2:], expected, atol=1e-9)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"K": None}, "K: expected 3 x 3 finite numbers"),
        ({"K": [[1, 2], [3, 4]]}, "K: expected 3 x 3 finite numbers"),
        ({"K": "none"}, "K: expected 3 x 3"),
        ({"world_to_camera": [[float("nan")] * 4] * 3}, "3 x 4 or 4 x 4 finite numbers"),
        ({"K": [[100, 5, 80], [0, 100, 80], [0, 0, 1]]}, "K: its axes are skew"),
        ({"K": [[100, 0, 80], [0, -100, 80], [0, 0, 1]]}, "K: not a pinhole's"),
        ({"K": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, "K: not a pinhole's"),
        ({"world_to_camera": (2 * np.array(E[0])).tolist()}, "not a rotation"),
        (
            {"world_to_camera": (np.diag([1, 1, -1]) @ E[0]).tolist()},
            "not a rotation",
        ),
        ({"distortion": [0.1, 0, 0, 0]}, r"undistort both \(cv2.undistort\)"),
        ({"width": 200}, "width 200, height None; expected both"),
        ({"width": -1, "height": "high"}, "width -1, height high; expected both"),
    ],
)
def test_what_is_wrong_with_a_camera_is_said(tmp_path, changes, message):
    path = written(tmp_path / "rig.json", **changes)
    with pytest.raises(InputError, match=message) as raised:
        read_rig(path)
    assert str(raised.value).startswith(f"{path}: right: ")


def test_a_file_that_is_no_rig(tmp_path):
    path = tmp_path / "rig.json"
    with pytest.raises(InputError, match=r"rig\.json: not a readable JSON file"):
        read_rig(path)
    for content, message in (("[1, 2]", "not an object"), ("{}", "left: no such camera")):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_rig(path)
    one = json.loads(written(path).read_text())
    del one["right"]
    path.write_text(json.dumps(one))
    with pytest.raises(InputError, match="right: no such camera; expected left and right"):
        read_rig(path)
