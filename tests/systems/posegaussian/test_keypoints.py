"""COCO's 17 points: of bodies, and from the files that MMPose writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_scans import write_male_model

from hgm.body.model import BodyModel
from hgm.errors import InputError
from hgm.systems.posegaussian.keypoints import NAMES, detected_keypoints, keypoints_of


def test_points_of_a_body_are_where_their_names_say(tmp_path):
    model = BodyModel.load(write_male_model(tmp_path))
    with torch.no_grad():
        body = model(model.zeros())
    vertices, joints = body.vertices.double().numpy(), body.joints.double().numpy()
    points = dict(zip(NAMES, keypoints_of(vertices, joints), strict=True))
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = points[f"left_{part}"], points[f"right_{part}"]
        assert left[0] > 0.02  # the body faces +z, so that its left is at +x
        assert np.allclose(left, right * [-1, 1, 1], atol=0.01), part
    face = vertices[np.abs(vertices[:, 1] - points["nose"][1]) < 0.05]
    assert points["nose"][2] == pytest.approx(face[:, 2].max(), abs=1e-3)
    assert points["left_ear"][2] < points["left_eye"][2] < points["nose"][2]
    heights = [points[f"left_{part}"][1] for part in ("ankle", "knee", "hip", "shoulder", "eye")]
    assert (np.diff(heights) > 0.05).all()
    assert points["left_wrist"][0] > points["left_elbow"][0] > points["left_shoulder"][0]


def person(points: np.ndarray, score: float) -> dict[str, object]:
    return {
        "keypoints": points.tolist(),
        "keypoint_scores": [score] * len(points),
        "bbox": [[0, 0, 1, 1]],
        "bbox_score": 0.9,
    }


POINTS = np.arange(34.0).reshape(17, 2)
SIZE = (40, 50)  # of the picture


@pytest.mark.parametrize("form", ["inferencer", "demo"])
def test_the_surest_person_of_mmpose_counts(form, tmp_path):
    other = person(np.zeros((21, 2)), 0.3)  # uncertain, and of another model
    people = [person(POINTS + 1, 0.3), person(POINTS, 0.8), other]
    data = people if form == "inferencer" else {"meta_info": {}, "instance_info": people}
    path = tmp_path / "0.json"
    path.write_text(json.dumps(data))
    points, scores = detected_keypoints(path, SIZE)
    assert np.array_equal(points, POINTS)
    assert np.array_equal(scores, np.full(17, 0.8))


WRONG = {
    "MMPose write it again": "[{",
    "nobody was detected": "[]",
    "MMPose's list of persons": '{"meta_info": {}}',
    r"keypoints are \[133, 2\]": json.dumps([person(np.zeros((133, 2)), 0.5)]),
    r"keypoints are \[17\]": json.dumps([person(np.zeros(17), 0.5)]),
    "all scores are 0": json.dumps([person(POINTS, 0.0)]),
    "expected keypoints and keypoint_scores": '[{"bbox": 1}]',
    "does not hold numbers": '[{"keypoints": ["a"], "keypoint_scores": [1]}]',
    "0 of 17 points are in the picture of 40 x 50": json.dumps([person(POINTS + 1e5, 0.5)]),
    "8 of 17 points are in the picture": json.dumps([person(2.6 * POINTS, 0.5)]),
    "a finite score of each": json.dumps([person(POINTS, float("nan"))]),
    "17 finite points": json.dumps([{**person(POINTS, 0.5), "keypoint_scores": [1.0]}]),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_no_detection_is_one_line(reason, tmp_path):
    path = tmp_path / "0.json"
    path.write_text(WRONG[reason])
    with pytest.raises(InputError, match=reason) as caught:
        detected_keypoints(path, SIZE)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"1\.json"):
        detected_keypoints(Path(tmp_path / "1.json"), SIZE)
