"""The video of a stand-in: exact parameters in FLAME's terms, channels that do not correlate, every
frame done once, and the gate that such a clip passes and one with a wrong sign does not."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkouts import ROOT
from PIL import Image
from scipy.spatial import cKDTree

from hgm.body.flame import HeadModel
from hgm.core.items import Outcome
from hgm.core.job import Job
from hgm.errors import InputError
from hgm.render.pool import Item
from hgm.standin.actor import Actor
from hgm.standin.head import head_arrays, head_parameters, write_head
from hgm.systems.monogaussian import standin_video
from hgm.systems.monogaussian.check import check_tracking, content_digest
from hgm.systems.monogaussian.clip import SCALE, Clip
from hgm.systems.monogaussian.clip_file import read_clip, read_lone, write_clip
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.held_out import read_held_out
from hgm.systems.monogaussian.movement import moved
from hgm.systems.monogaussian.portrait import Portrait, Sitter, body_frame
from hgm.systems.monogaussian.settings import HELD_OUT_CAMERAS, Staging
from hgm.systems.monogaussian.standin_video import (
    disturbed,
    landmarks_seen,
    make_clip,
    parameters,
)
from hgm.systems.monogaussian.truth import read_truth

SIZE = 64
OF_TEST: dict[str, Any] = {"count": 5, "size": SIZE, "seed": 0}
TEST = Staging(person=7, texture=128, held_out_every=4, lone=1)
TRAIN = Staging(
    person=7, texture=128, held_out_every=0, lone=0, pose_noise=3.0, expression_noise=0.05
)


class Killed(BaseException):
    """What ends a video in the middle."""


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def actor() -> Actor:
    return Actor.of(TEST.person, 128, skirts=False)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.of(head_arrays())


@pytest.fixture(scope="module")
def test_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test clip, whose making ended after its first frame, with its worker killed at the
    second, and was then taken up again."""
    root = tmp_path_factory.mktemp("killed")
    folder, frames = root / "test", root / "frames"

    def end(done: int, name: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        make_clip(folder, TEST, **OF_TEST, frames=frames, progress=end)
    assert not (folder / "flame_params.json").exists()
    assert len(list(frames.glob("*/.head_frame.json"))) == 1
    written = (frames / "1" / "image.png").stat().st_mtime_ns
    make_clip(folder, TEST, **OF_TEST, frames=frames)
    assert (folder / "image/1.png").stat().st_mtime_ns == written  # not done again
    return folder


def test_a_killed_video_is_finished_to_the_same_bytes(test_clip: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "test", TEST, **OF_TEST, frames=tmp_path / "frames")
    found = files(tmp_path / "test")
    assert found == files(test_clip)
    assert not (tmp_path / "frames").exists() and not (test_clip.parent / "frames").exists()
    kinds = ("image", "mask", "semantic")
    pictures = {f"{kind}/{k}.png" for kind in kinds for k in range(1, 6)}
    pictures |= {f"held_out/{camera}/{k}.png" for camera in HELD_OUT_CAMERAS for k in (1, 5)}
    pictures |= {
        f"lone/{kind}/{k}.png" for kind in ("image", "mask", "semantic") for k in (1, 2, 3)
    }
    lists = {"flame_params.json", "held_out.json", "lone/flame_params.json"}
    assert set(found) == pictures | lists


def test_pictures_show_a_head_its_neck_and_its_clothes(test_clip: Path) -> None:
    clip = read_clip(test_clip)
    pictures = ClipPictures([clip], 64)
    moved = []
    for i in range(len(clip)):
        mask, labels = pictures.mask(i)[0], pictures.semantic(i)
        assert set(labels.unique().tolist()) == {0, 1, 14, 16, 17}
        agree = ((mask > 127) == (labels > 0)).float().mean()
        assert agree > 0.98
        assert (mask[-1] > 0).float().mean() > 0.9 and not mask[:3].any()  # shoulders, not cut
        face = (labels == 1).float()
        assert 0.1 < face.mean() < 0.35
        assert ((mask > 0) & (mask < 255)).any()  # soft
        moved.append(face)
    assert len({tuple(face.flatten().tolist()) for face in moved}) == len(moved)
    raw = np.asarray(Image.open(clip.path("image", 0)))
    assert (raw[0, 0] == 128).all()  # gray where nobody is; the reader puts white there
    assert (pictures.image(0)[:, 0, 0] == 255).all()


def test_held_out_cameras_see_the_same_head_from_the_side(test_clip: Path) -> None:
    held_out = read_held_out(test_clip)
    clip = read_clip(test_clip)
    assert held_out is not None and held_out.frames == ("1", "5")
    front = clip.cameras(64)[0].centers.numpy()
    joint = np.array([0, front[1], 0])  # the head's axis, about
    for i, name in enumerate(held_out.cameras):
        center = held_out.rig(64)[i].centers.numpy()
        turn = np.degrees(
            np.arctan2(*(center - joint)[[0, 2]]) - np.arctan2(*(front - joint)[[0, 2]])
        )
        wanted = HELD_OUT_CAMERAS[name]
        assert abs(turn - wanted) < 8 and np.sign(turn) == np.sign(wanted)
        assert held_out.image(name, "1", 64).float().mean() < 250


def test_lone_expressions_move_the_face_alone(test_clip: Path) -> None:
    lone = read_lone(test_clip)
    assert lone is not None and len(lone) == 3 and not lone.pose.any()
    assert lone.expression[:, 0].tolist() == [0, 2, -2] and not lone.expression[:, 1:].any()
    pictures = ClipPictures([lone], 64)
    still, *others = (pictures.image(i).float() / 255 for i in range(3))
    for picture in others:
        places = (moved(picture[None], still[None])[0, 0] & (pictures.semantic(0) == 1)).nonzero()
        changed = (picture - still).abs().amax(0) > 0.05
        assert 5 < changed.sum() < 200 and len(places) > 0
        low, high = places.min(0).values, places.max(0).values
        assert bool((low > 10).all()) and bool((high < 54).all())


def test_parameters_of_the_clip_are_those_of_the_person_in_the_pictures(
    actor: Actor, head: HeadModel
) -> None:
    """The head model with the clip's parameters lies on the person's skin, in the clip's world."""
    expression, pose = parameters(3, np.random.default_rng(0))
    for e, p in zip(expression, pose, strict=True):
        found = head_parameters(actor, body_frame(p, e))
        np.testing.assert_allclose(found.pose, p, atol=1e-7)
        np.testing.assert_allclose(found.expression, e, atol=1e-7)
        still = head_parameters(actor, body_frame(np.zeros(15), np.zeros(50)))
        np.testing.assert_allclose(found.transform, still.transform, atol=1e-7)
        sitter = Sitter(actor, still.transform[:3, 3])
        skin = sitter.vertices(p, e)[: len(actor.pieces[0].weights)]
        inputs = (torch.from_numpy(np.float32(x)) for x in (found.shape, e, p))
        vertices = SCALE * head(*inputs).vertices.numpy()
        above = vertices[:, 1] > vertices[:, 1].min() + 0.25
        distance = cKDTree(skin).query(vertices[above])[0] / SCALE
        assert np.median(distance) < 0.002, np.median(distance)


def test_no_two_channels_correlate() -> None:
    for seed in range(6):
        for frames in (40, 57, 100, 400):
            expression, pose = parameters(frames, np.random.default_rng(seed))
            columns = np.concatenate([pose[:, :12], expression], 1)  # the eyes look the same way
            moving = columns[:, np.ptp(columns, 0) > 1e-3]
            assert moving.shape[1] == 14
            matrix = np.corrcoef(moving.T)
            np.fill_diagonal(matrix, 0)
            assert np.abs(matrix).max() < 0.3, (seed, frames)
            assert np.array_equal(pose[:, 9:12], pose[:, 12:])
            assert pose[:, 6].min() >= 0 and 0.2 < pose[:, 6].max() <= 0.3


def test_landmarks_are_on_the_face(test_clip: Path) -> None:
    clip = read_clip(test_clip)
    pictures = ClipPictures([clip], 64)
    for i, points in enumerate(clip.keypoints):
        pixels = ((points + 1) / 2 * 64).astype(int)
        labels = pictures.semantic(i)[pixels[17:, 1], pixels[17:, 0]]
        assert (labels == 1).float().mean() > 0.9
        mouth, brows, pupils = points[48:68].mean(0), points[17:27].mean(0), points[68:]
        assert brows[1] < pupils[:, 1].mean() < mouth[1]  # y is down
        # the person's left eye, the first, is on the right
        assert pupils[0, 0] > pupils[1, 0] + 0.08
        assert points[36:42, 0].mean() < points[42:48, 0].mean()
    np.testing.assert_allclose(landmarks_seen(clip), clip.keypoints, atol=1e-5)


def test_noise_is_of_the_size_that_is_asked_for(test_clip: Path) -> None:
    few = read_clip(test_clip)
    clip = few[np.zeros(500, int)]
    clip = dataclasses.replace(clip, expression=np.random.default_rng(0).normal(0, 2, (500, 50)))
    clip.expression[:, 7] = 1.0
    noisy = disturbed(clip, TRAIN, np.random.default_rng(1))
    assert abs(np.degrees(noisy.pose - clip.pose).std() - 3) < 0.1
    change = noisy.expression - clip.expression
    assert abs(np.delete(change, 7, 1).std() / 2 - 0.05) < 0.002
    assert not change[:, 7].any()  # what never moves has no deviation
    assert read_truth(few) is None  # the test clip's parameters are true


@pytest.fixture
def rendered(test_clip: Path, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """What workers are asked for; they give the pictures of the test clip."""
    asked: list[Item] = []

    def workers(
        task: str, items: Sequence[Item], out: Path, portrait: Portrait, **others: Any
    ) -> Outcome:
        asked[:] = items
        for item in items:
            (out / item.name).mkdir(parents=True)
            for kind in ("image", "mask", "semantic"):
                shutil.copy(test_clip / kind / "1.png", out / item.name / f"{kind}.png")
        return Outcome({item.name: item.key for item in items})

    monkeypatch.setattr(standin_video, "do_in_workers", workers)
    return asked


def test_a_training_clip_keeps_its_truth(rendered: list[Item], tmp_path: Path) -> None:
    make_clip(tmp_path / "train", TRAIN, count=6, size=SIZE, seed=0, frames=tmp_path / "frames")
    clip = read_clip(tmp_path / "train")
    truth = read_truth(clip)
    assert truth is not None and not (tmp_path / "train/held_out.json").exists()
    expression, pose = (
        np.array([item.data[key] for item in rendered], np.float32)
        for key in ("expression", "pose")
    )
    assert len(rendered) == 6 and not any(item.data["held_out"] for item in rendered)
    assert np.array_equal(truth[0], expression) and np.array_equal(truth[1], pose)
    assert 0.5 < np.degrees(np.abs(clip.pose - pose)).mean() < 5
    assert 0 < np.abs(clip.expression - expression).max() < 0.5
    later = read_truth(clip[[4]])
    assert later is not None and np.array_equal(later[1], pose[4:5])
    (tmp_path / "train/truth.json").write_text('{"expression": []}')
    with pytest.raises(InputError, match=r"truth\.json.*make the video again"):
        read_truth(clip)


def test_clips_and_seeds_move_each_in_their_own_way(rendered: list[Item], tmp_path: Path) -> None:
    poses = []
    exact = Staging(person=7, texture=128, held_out_every=0, lone=0)
    for name, seed in (("a", 0), ("b", 0), ("a", 1)):
        folder = tmp_path / f"{seed}" / name
        frames = tmp_path / "frames"
        clip = make_clip(folder, exact, count=30, size=SIZE, seed=seed, frames=frames)
        assert read_truth(clip) is None
        poses.append(clip.pose[:, :12].ravel())
    assert np.abs(np.corrcoef(poses) - np.eye(3)).max() < 0.6


def test_a_frame_that_cannot_be_rendered_ends_the_video(
    rendered: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def workers(*given: Any, **others: Any) -> Outcome:
        return Outcome({}, {"3": "the view is blank"})

    monkeypatch.setattr(standin_video, "do_in_workers", workers)
    with pytest.raises(InputError, match="frame 3 cannot be rendered: the view is blank"):
        make_clip(tmp_path / "train", TRAIN, **OF_TEST, frames=tmp_path / "frames")


def gate(clip: Clip, head: HeadModel, out: Path) -> dict[str, Any]:
    return check_tracking(clip, head, out / "a.json", out / "a.png", out / "logs/a.png")


def test_the_gate_lets_a_stand_in_pass(test_clip: Path, head: HeadModel, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.png").touch()  # of an earlier check that failed
    result = gate(read_clip(test_clip), head, tmp_path)
    assert result["fits"] and result["cause"] is None and result["compared"] == "face"
    assert result["iou"] > 0.9 and len(result["frames"]) == 5
    assert json.loads((tmp_path / "a.json").read_text()) == result
    assert np.asarray(Image.open(tmp_path / "a.png")).shape == (256, 5 * 256, 3)
    assert not (tmp_path / "logs/a.png").exists()


def test_the_gate_notes_the_content_of_every_picture(test_clip: Path, tmp_path: Path) -> None:
    """Trainings and measures depend on its file alone; what none of them reads does not count."""
    folder = tmp_path / "test"
    shutil.copytree(test_clip, folder)
    clip = read_clip(folder)
    before = content_digest(clip)
    (folder / "image/.DS_Store").touch()
    (folder / "film.mp4").write_bytes(b"x")
    shutil.copyfile(folder / "image/1.png", folder / "image/99.png")
    assert content_digest(clip) == before
    camera = "held_out/left_15"
    for changed in ("image/4", "mask/4", "semantic/4", f"{camera}/1", "lone/image/3"):
        path = folder / f"{changed}.png"
        kept = path.read_bytes()
        path.write_bytes(kept + b"x")
        assert content_digest(clip) != before, changed
        path.write_bytes(kept)
    assert content_digest(clip) == before
    for name in ("flame_params.json", "held_out.json", "lone/flame_params.json"):
        path = folder / name
        path.write_text(path.read_text() + "\n")
        assert content_digest(clip) != before, name
        before = content_digest(clip)


Change = Callable[[dict[str, Any]], Any]


def matrices(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def all_frames(data: dict[str, Any]) -> None:
        for frame in data["frames"]:
            frame["world_mat"] = change(np.array(frame["world_mat"])).tolist()

    return all_frames


def focal(x: float, y: float) -> Change:
    def both(data: dict[str, Any]) -> None:
        data["intrinsics"][0] *= x
        data["intrinsics"][1] *= y

    return both


WRONG: dict[str, tuple[Change, str]] = {
    "fx": (focal(-1, 1), "the head is mirrored: fx has the wrong sign"),
    "fy": (focal(1, -1), "the head is upside down"),
    "OpenCV's axes": (
        matrices(lambda m: np.diag([1, -1, -1]) @ m),
        r"world_mat is in OpenCV's axes, the format's are OpenGL's",
    ),
    "OpenCV's terms": (
        lambda data: (matrices(lambda m: np.diag([1, -1, -1]) @ m)(data), focal(-1, 1)(data)),
        r"world_mat and fx are in OpenCV's terms",
    ),
    "meters": (matrices(lambda m: m * [1, 1, 1, 0.25]), "translations are in meters"),
    "twice head units": (matrices(lambda m: m * [1, 1, 1, 4]), "translations are 4 times too"),
    "another camera": (matrices(lambda m: m + np.array([0, 0, 0, 0.7])), "no single wrong sign"),
}


@pytest.mark.parametrize(
    ("wrong", "with_labels"),
    [*((wrong, True) for wrong in WRONG), ("fx", False), ("meters", False)],
)
def test_the_gate_names_what_is_wrong(
    test_clip: Path, head: HeadModel, tmp_path: Path, wrong: str, with_labels: bool
) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    for kind in ("image", "mask", *(["semantic"] if with_labels else [])):
        (folder / kind).symlink_to(test_clip / kind)
    data = json.loads((test_clip / "flame_params.json").read_text())
    change, message = WRONG[wrong]
    change(data)
    (folder / "flame_params.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as found:
        gate(read_clip(folder)[:3], head, tmp_path)
    told = str(found.value)
    assert told.startswith(f"{folder}/flame_params.json: ") and told.endswith(
        f" (see {tmp_path}/logs/a.png)"
    )
    # the area of a mirrored head is nearly that of the head, which would contradict the message
    assert ("expected 0." in told) == (wrong != "fx") and "0.90, expected 0.85" not in told
    assert (tmp_path / "logs/a.png").exists() and not (tmp_path / "a.json").exists()


def test_a_failed_check_leaves_its_overlay_beside_the_log(test_clip: Path, tmp_path: Path) -> None:
    """Its outputs are deleted by Snakemake; the log's folder is not."""
    write_head(tmp_path / "FLAME2020")
    folder = tmp_path / "data/me.1"
    shutil.copytree(test_clip, folder)
    data = json.loads((folder / "flame_params.json").read_text())
    focal(-1, 1)(data)
    (folder / "flame_params.json").write_text(json.dumps(data))
    run = tmp_path / "results/mine"
    job = Job(
        rule="tracking_check",
        input={
            "model": [str(tmp_path / "FLAME2020/generic_model.pkl")],
            "clip": [str(folder / "flame_params.json"), str(folder / "image/1.png")],
        },
        output={
            "check": str(run / "check/me.1.json"),
            "overlay": str(run / "check/me.1.png"),
        },
        params={},
        wildcards={"clip": "me.1"},
        log=str(run / "logs/tracking_check/me.1.log"),
    )
    record = tmp_path / "me.job.json"
    record.write_text(json.dumps(dataclasses.asdict(job)))
    script = ROOT / "scripts/monogaussian/tracking_check.py"
    done = subprocess.run(
        [sys.executable, script, record], cwd=ROOT, capture_output=True, text=True, check=False
    )
    overlay = run / "logs/tracking_check/me.1.png"
    assert done.returncode == 1 and f"(see {overlay})" in done.stderr, done.stderr
    assert np.asarray(Image.open(overlay)).shape == (256, 5 * 256, 3)
    assert not (run / "check").exists()


def test_the_gate_works_without_labels(test_clip: Path, head: HeadModel, tmp_path: Path) -> None:
    """Above the chin, where hair is more than the model has."""
    folder = tmp_path / "test"
    clip = read_clip(test_clip)
    write_clip(clip, folder)
    for kind in ("image", "mask"):
        (folder / kind).symlink_to(test_clip / kind)
    result = gate(read_clip(folder), head, tmp_path)
    assert result["fits"] and result["compared"] == "above the chin" and result["iou"] > 0.6
