"""Measures of how an avatar moves, on avatars and pictures of which they are known."""

import numpy as np
import pytest
import torch
from small_head import motion, subject, tiny

from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.movement import moved, overlaps, skinning_errors
from hgm.systems.monogaussian.report.movement import movements
from hgm.systems.monogaussian.subject import SubjectHead
from hgm.systems.monogaussian.variants import VARIANTS

SIZE = 32


@pytest.fixture(scope="module")
def head() -> SubjectHead:
    return subject(motion(20)[0])


def avatar_at(places: torch.Tensor, head: SubjectHead, bone: int, opacity: float) -> HeadAvatar:
    """Points that belong to one bone alone, all as opaque."""
    avatar = HeadAvatar(Design.of(tiny(), VARIANTS["full"], SIZE), places, head.skeleton)
    avatar.deformer.bones.bias.data[bone] = 10.0
    avatar.geometry.opacity[-1].weight.data.zero_()
    avatar.geometry.opacity[-1].bias.data[:] = opacity
    return avatar


def test_skinning_is_compared_where_points_are_on_the_head_or_the_body(head: SubjectHead) -> None:
    on_head = head.vertices[::7] + 0.01
    lowest = head.vertices[head.vertices[:, 1].argmin()]
    on_body = lowest - torch.tensor([0.0, 0.5, 0.0]) + 0.05 * torch.randn(40, 3)
    places = torch.cat([on_head, on_body])
    wanted = head.directions.weights[head.nearest(on_head)].numpy()
    for bone in (0, 2):
        found = skinning_errors(avatar_at(places, head, bone, 5.0), head)
        sums = np.abs(np.eye(6)[bone] - wanted).sum(1)
        assert found["points_on_head"] == len(on_head) and found["points_on_body"] == 40
        assert found["head_sum"] == pytest.approx(sums.mean(), abs=1e-5)
        assert found["head_mean"] == pytest.approx(sums.mean() / 6, abs=1e-5)
        assert found["body_ghost"] == pytest.approx(float(bone == 0), abs=1e-5)
    assert skinning_errors(avatar_at(places, head, 0, -5.0), head) == {
        "head_mean": None,
        "head_sum": None,
        "body_ghost": None,
        "points_on_head": 0,
        "points_on_body": 0,
    }


def square(left: int) -> torch.Tensor:
    """A black square of 12 pixels on white."""
    picture = torch.ones(3, SIZE, SIZE)
    picture[:, 8:20, left : left + 12] = 0
    return picture


def test_overlaps_are_those_of_the_pixels_that_move() -> None:
    """Smoothing makes a square wider by a pixel on each side."""
    still = torch.ones(3, SIZE, SIZE)
    truths = torch.stack([still, square(2), still, square(4), square(4)])
    faint = 1 - 0.04 * (1 - square(9))  # too faint to count
    predictions = torch.stack([still, square(8), faint, square(4), still])
    assert moved(truths, truths[:1]).flatten(1).sum(1).tolist() == [0, 196, 0, 196, 196]
    expression = np.zeros((5, 50), np.float32)
    expression[[1, 2, 3, 4], [6, 1, 3, 3]] = 1.0, 2.0, 2.0, -2.0
    rows = overlaps(predictions, truths, expression)
    assert [(row["expression"], row["pixels"]) for row in rows] == [(3, 392), (6, 196), (1, 0)]
    assert rows[0]["iou"] == pytest.approx(196 / 392)
    assert rows[1]["iou"] == pytest.approx(8 * 14 / (20 * 14))
    assert rows[2]["iou"] is None


class Measured:
    """What of a run the table of movements reads."""

    variants = ("full", "bound", "old")
    headline = "frozen"

    def __init__(self, **metrics: dict) -> None:
        self.metrics = metrics

    def measured(self, variant: str, protocol: str) -> "Measured | None":
        found = self.metrics.get(variant)
        made = Measured()
        made.variant, made.metrics = variant, {} if found is None else {"movement": found}
        return made


def test_the_report_has_a_row_for_each_avatar_that_was_measured() -> None:
    rows = [
        {"expression": 3, "pixels": 392, "iou": 0.5},
        {"expression": 1, "pixels": 0, "iou": None},
    ]
    skinning = {"head_mean": 0.0248, "head_sum": 0.149, "body_ghost": None}
    full = {"skinning": skinning, "expressions": rows}
    weights, moves = movements(Measured(full=full, bound={"expressions": rows}))
    assert [list(row.values()) for row in weights.rows] == [["full", "0.025", "–"]]
    assert [list(row.values()) for row in moves.rows] == [
        ["full", "0.50", "–"],
        ["bound", "0.50", "–"],
    ]
    assert movements(Measured()) == []
