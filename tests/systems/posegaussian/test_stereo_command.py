"""`hgm stereo` on photos of a ball, with networks that have learned nothing."""

import json

import numpy as np
import pytest
import torch
import yaml
from ball_pairs import rig
from checkouts import ROOT
from PIL import Image
from user_photos import HEIGHT, WIDTH, photographed

from hgm.cli import main
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.settings import Network
from hgm.workflow import configuration


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photographed(tmp_path_factory.mktemp("photos"), rig(size=WIDTH))


def write_run(folder, variants=("learned", "none")):
    data = yaml.safe_load((ROOT / "config/posegaussian/tiny.yaml").read_text())
    data["between"] = {"frames": 2}
    write_json(folder / "run.json", {"config": configuration.resolve(data)})
    torch.manual_seed(0)
    for fusion in variants:
        network = PoseGaussian(Design.of(Network(preset="small"), fusion))
        network.save(folder / "gaussian_maps" / fusion)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


def detections(folder, count=17, score=0.9):
    """Files as MMPose writes them; the points are on a line through the middle of each photo."""
    paths = []
    for name in ("left", "right"):
        points = np.linspace([WIDTH / 2, HEIGHT / 4], [WIDTH / 2, 3 * HEIGHT / 4], count)
        person = {"keypoints": points.tolist(), "keypoint_scores": [score] * count}
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps([person]))
    return [str(path) for path in paths]


def stereo(photos, run, out, *more):
    paths, rig_file = photos
    options = ["--rig", str(rig_file), "--run", str(run), "--out", str(out), "--device", "cpu"]
    return main(["stereo", *map(str, paths), *options, *more])


def test_without_detections_the_network_without_heat_maps_is_used(photos, run, tmp_path, capsys):
    assert stereo(photos, run, tmp_path / "mine") == 0
    said = capsys.readouterr()
    assert "written, by the network none, without heat maps" in said.out
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "gaussians.ply", "points.ply", "disparity.png", "matching.json", "between.mp4",
        "rectified.png", "left_novel.jpg",
    }  # fmt: skip
    with Image.open(tmp_path / "mine/left_novel.jpg") as picture:
        assert picture.size == (128, 128)


def test_detections_for_a_network_without_heat_maps_are_refused(photos, run, tmp_path, capsys):
    points = detections(tmp_path)
    more = ["--variant", "none", "--keypoints", *points]
    assert stereo(photos, run, tmp_path / "mine", *more) == 1
    assert "error: --keypoints: the networks of" in (said := capsys.readouterr().err)
    assert "see no heat maps (none); leave --keypoints out" in said
    alone = write_run(tmp_path / "run", ["none"])
    assert stereo(photos, alone, tmp_path / "mine", "--keypoints", *points) == 1


def test_pictures_of_an_earlier_call_do_not_stay(photos, tmp_path):
    """Whatever the run splatted with: the device here may be another."""
    run = write_run(tmp_path / "run", ["none"])
    record = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", {"config": {**record["config"], "splat": "gsplat"}})
    out = tmp_path / "mine"
    assert stereo(photos, run, out, "--ratio", "0.2", "0.6", "0.8") == 0
    (out / "left_novel_mine.jpg").touch()
    assert stereo(photos, run, out, "--ratio", "0.2", "0.4") == 0
    assert sorted(path.name for path in out.glob("left_*")) == [
        "left_novel_00.jpg", "left_novel_01.jpg", "left_novel_mine.jpg",
    ]  # fmt: skip


def test_detections_become_heat_maps(photos, run, tmp_path, capsys, monkeypatch):
    """Discs at the same place of the person, whatever the crop."""
    drawn = []
    from hgm.systems.posegaussian import stereo as module

    draw = module.heat_map
    monkeypatch.setattr(
        module, "heat_map", lambda points, *rest: drawn.append(points) or draw(points, *rest)
    )
    assert stereo(photos, run, tmp_path / "mine", "--keypoints", *detections(tmp_path)) == 0
    assert "by the network learned, with heat maps" in capsys.readouterr().out
    assert len(drawn) == 2
    for points in drawn:
        steps = np.diff(points, axis=0)
        np.testing.assert_allclose(steps, np.broadcast_to(steps[:1], steps.shape), atol=1e-9)
        assert steps[0, 0] == pytest.approx(0, abs=1e-9) and steps[0, 1] > 0


@pytest.mark.parametrize(
    "more, message",
    [
        (("--variant", "learned"), "--keypoints: the networks of .* see heat maps (learned)"),
        (("--variant", "released_random"), "has no trained network released_random"),
        (("--ratio", "1.5"), "expected numbers from 0 (left) to 1 (right)"),
        (("--mask", "none.png", "none.png"), "none.png: no such file"),
        (("--keypoints", "none.json", "none.json"), "none.json: not a readable JSON file"),
    ],
)
def test_what_is_wrong_is_one_line(photos, run, tmp_path, capsys, more, message):
    assert stereo(photos, run, tmp_path / "mine", *more) == 1
    said = capsys.readouterr().err
    first, _, last = message.partition(".* ")
    assert first in said and last in said and "error: " in said and said.count("\n") == 1
    assert not (tmp_path / "mine/gaussians.ply").exists()


@pytest.mark.parametrize(
    "changes, message", [({"count": 21}, "[17, 2]"), ({"score": 0.0}, "all scores are 0")]
)
def test_detections_of_another_model_are_refused(photos, run, tmp_path, capsys, changes, message):
    paths = detections(tmp_path, **changes)
    assert stereo(photos, run, tmp_path / "mine", "--keypoints", *paths) == 1
    assert f"error: {paths[0]}: " in (said := capsys.readouterr().err) and message in said


def test_a_run_of_another_system_is_refused(photos, tmp_path, capsys):
    data = yaml.safe_load((ROOT / "config/monogaussian/tiny.yaml").read_text())
    write_json(tmp_path / "run.json", {"config": configuration.resolve(data)})
    assert stereo(photos, tmp_path, tmp_path / "mine") == 1
    assert (
        "is a run of system monogaussian; expected one of posegaussian" in capsys.readouterr().err
    )


def test_warnings_name_both_angles(run, tmp_path, capsys):
    photos = photographed(tmp_path, rig(45, WIDTH))
    assert stereo(photos, run, tmp_path / "mine") == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: the cameras see the person from 5") and "at 22.5;" in said
