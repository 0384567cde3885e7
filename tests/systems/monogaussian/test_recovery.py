"""Parameters with the errors of a tracker: a training moves them towards the truth, and the report
says how far."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from head_clips import random_clip
from small_head import footage, motion, subject, tiny

from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.clip_file import write_clip
from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.footage import Footage, rendered
from hgm.systems.monogaussian.report.recovery import PSNR, recoveries
from hgm.systems.monogaussian.report.run import Run
from hgm.systems.monogaussian.tracking import Frames, Tracking, parameter_errors
from hgm.systems.monogaussian.training import AvatarLoss, AvatarTraining, departure
from hgm.systems.monogaussian.variants import VARIANTS
from hgm.train.loop import fit
from hgm.train.settings import Optimization, Optimizer, Schedule

FRAMES = 6
SIZE = 32
NOISE = 0.05  # radians, about 3 degrees
NUMBERS = ("expression", "pose")


class Shown:
    """The pictures of a footage."""

    def __init__(self, pictures: torch.Tensor) -> None:
        self.pictures = pictures

    def image(self, frame: int) -> torch.Tensor:
        return (self.pictures[frame] * 255).round().byte()


@pytest.fixture(scope="module")
def filmed() -> tuple[HeadAvatar, Footage]:
    """A finished avatar that moves exactly as the head does, and a video of it."""
    expression, pose = motion(FRAMES)
    head = subject(expression)
    torch.manual_seed(0)
    design = Design.of(tiny(), VARIANTS["bound"], SIZE)
    avatar = HeadAvatar(design, head.vertices[::25].clone(), head.skeleton, head.directions)
    avatar.geometry.color[-1].weight.data *= 20
    avatar.find_nearest(head)
    avatar.radius.fill_(0.05)
    avatar.requires_grad_(False)
    cameras = footage(FRAMES, SIZE).cameras
    pictures = rendered(avatar(expression, pose), cameras, None, "torch").clamp(0, 1)
    return avatar, Footage(expression, pose, cameras, Shown(pictures))


def learned(avatar: HeadAvatar, film: Footage, given: Footage, out: Path, **changes) -> dict:
    """Errors before and after the rows of the frames were learned, with the avatar as it is."""
    bands = [{"start": 0.0, "points": len(avatar.points), "radius": 0.05}]
    settings = tiny(
        epochs=12, batch=3, bands=bands, least_opacity=0.0, tracking_start=0.0, **changes
    )
    course = Course(settings, FRAMES)
    tracking = Tracking(given.expression, given.pose)
    head = subject(film.expression)
    training = AvatarTraining(avatar, tracking, course, head, VARIANTS["bound"])
    fit(
        training,
        AvatarLoss(training, given, None, seed=0, backend="torch"),
        Optimization(steps=course.steps, lr=1e-3, weight_decay=0.0, clip=1e9),
        stage="avatar",
        seed=0,
        state=out,
        optimizer=Optimizer(
            name="adam", rates={"tracking.*": settings.tracking_lr}, sparse=["tracking.*"]
        ),
        schedule=Schedule(name="milestones", milestones=[course.steps // 2], factor=0.5),
        batch=course.batch,
    )
    tables = [(t.expression.detach(), t.pose.detach()) for t in (given, tracking)]
    return [parameter_errors(*found, film.expression, film.pose) for found in tables]


@pytest.fixture(scope="module")
def disturbed(filmed) -> Footage:
    _, film = filmed
    noise = NOISE * torch.randn(FRAMES, 15, generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(film, pose=film.pose + noise)


def test_rows_of_disturbed_frames_move_towards_the_truth(filmed, disturbed, tmp_path: Path) -> None:
    """What pictures hardly show, jaw and eyes, strays unless a prior holds it."""
    avatar, film = filmed
    strayed = []
    for prior in (0.0, 0.1):
        settings = {"tracking_lr": 0.01, "tracking_prior": prior}
        before, after = learned(avatar, film, disturbed, tmp_path / f"{prior}", **settings)
        assert before["head_degrees"] > 6 and after["head_degrees"] < 0.7 * before["head_degrees"]
        strayed.append(sum(after[key] - before[key] for key in ("jaw_degrees", "eyes_degrees")))
    assert strayed[0] > 1 and strayed[1] < 0.5 * strayed[0]


def test_departures_are_sums_of_squares_of_a_frame(disturbed) -> None:
    drawn = torch.tensor([4, 1])
    moves = [torch.randn(2, n, generator=torch.Generator().manual_seed(n)) for n in (50, 15, 3)]
    frames = Frames(
        disturbed.expression[drawn] + moves[0], disturbed.pose[drawn] + moves[1], moves[2]
    )
    expected = sum(move.square().sum() for move in moves) / 2
    torch.testing.assert_close(departure(frames, disturbed, drawn), expected)


def test_the_report_has_errors_and_what_each_avatar_is_worth(tmp_path: Path) -> None:
    """Of two variants, of which one has learned half of the way, and one was not measured."""
    folder = tmp_path / "video/me/me/train"
    clip = random_clip(folder, 4)
    folder.mkdir(parents=True)
    write_clip(clip, folder)
    rng = np.random.default_rng(0)
    errors = {name: 0.1 * rng.normal(size=getattr(clip, name).shape) for name in NUMBERS}
    truth = {name: getattr(clip, name) + errors[name] for name in NUMBERS}
    (folder / "truth.json").write_text(json.dumps({k: v.tolist() for k, v in truth.items()}))
    for variant, share in (("full", 0.5), ("given_tracking", 0.0)):
        (tmp_path / "avatar" / variant).mkdir(parents=True)
        tables = {name: getattr(clip, name) + share * errors[name] for name in NUMBERS}
        np.savez(tmp_path / "avatar" / variant / "tracking.npz", **tables)
    measures = tmp_path / "subjects/full/frozen/metrics.json"
    measures.parent.mkdir(parents=True)
    measures.write_text(json.dumps({"images": {"full": {"standard": {"psnr": 25.5}}}}))
    config = {
        "video": {"train": ["train"], "test": "test", "subject": "me", "root": None},
        "evaluate": {"variants": ["full", "given_tracking"], "protocols": ["frozen"]},
    }
    [table] = recoveries(Run(tmp_path, config))
    rows = {row["parameters"]: row for row in table.rows}
    assert list(rows) == ["as given", "full", "given_tracking"]
    assert [row[PSNR] for row in table.rows] == ["–", "25.50", "–"]
    for column in table.rows[0].keys() - {"parameters", PSNR}:
        given, half, same = (float(rows[name][column]) for name in rows)
        assert same == given > 0 and half == pytest.approx(given / 2, rel=0.15)
