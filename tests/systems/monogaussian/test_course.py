"""The course of a training against the published table, and what follows from it."""

from pathlib import Path

import pytest
import yaml

from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.settings import Avatar, Config

PRESETS = Path(__file__).parents[3] / "config/monogaussian"
# epochs of the release: first, last, points, frames in a step, radius at the band's end
TABLE = [
    (0, 4, 400, 8, 0.0844),
    (5, 9, 800, 8, 0.0633),
    (10, 14, 1600, 8, 0.0475),
    (15, 19, 3200, 8, 0.0356),
    (20, 24, 6400, 8, 0.0267),
    (25, 29, 10000, 8, 0.0200),
    (30, 39, 20000, 5, 0.0150),
    (40, 49, 40000, 2, 0.0113),
    (50, 59, 80000, 1, 0.0084),
]


def test_defaults_are_the_published_course():
    epochs = Course(Avatar(), 3000).epochs
    assert len(epochs) == 100
    for first, last, points, batch, radius in TABLE:
        for epoch in epochs[first : last + 1]:
            assert (epoch.points, epoch.batch, epoch.radius) == (points, batch, radius)
            assert epoch.steps == 3000 // batch
    radius = 0.0084 * 0.9
    for epoch in epochs[60:]:
        assert (epoch.points, epoch.batch) == (100000, 1)
        assert epoch.radius == pytest.approx(radius, abs=1e-6)
        if epoch.index % 5 == 4:
            radius *= 0.75
    assert radius == pytest.approx(7.6e-4, rel=0.01)  # at the end


@pytest.mark.parametrize("frames", [1, 7, 100])
def test_an_epoch_shows_every_frame_once(frames):
    course = Course(
        Avatar(epochs=6, batch=4, batch_points=1000, bands=[
            {"start": 0.0, "points": 100, "radius": 0.1},
            {"start": 0.5, "points": 400, "radius": 0.1},
        ]),
        frames,
    )  # fmt: skip
    shown = [0] * 6
    for step in range(course.steps):
        assert course.batch(step) >= 1
        shown[course.epoch_of(step).index] += course.batch(step)
    assert shown == [frames] * 6
    assert [e.batch for e in course.epochs] == [min(4, frames)] * 3 + [min(2, frames)] * 3


def test_steps_of_the_presets():
    steps = {}
    for name in ("tiny", "demo"):
        config = Config(**yaml.safe_load((PRESETS / f"{name}.yaml").read_text()))
        steps[name] = Course(config.avatar, config.standin.train_frames).steps
    assert steps == {"tiny": 12, "demo": 1200}


def test_shares_are_epochs_that_begin():
    course = Course(Avatar(), 3000)
    assert course.step_at(0.0) == 0
    assert course.step_at(0.2) == 20 * 375
    assert course.step_at(1.0) == course.steps


def test_points_never_fall():
    bands = [
        {"start": 0.0, "points": 500, "radius": 0.1},
        {"start": 0.5, "points": 300, "radius": 0.05},
    ]
    assert [e.points for e in Course(Avatar(epochs=4, bands=bands), 10).epochs] == [500] * 4
