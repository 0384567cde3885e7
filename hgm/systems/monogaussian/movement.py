"""Whether an avatar moves as the head does, which the pictures of a clip hardly say: the skinning
weights that it learned, and the pixels that one expression alone moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.check import iou
from hgm.systems.monogaussian.footage import Footage, rendered
from hgm.systems.monogaussian.subject import SubjectHead

OPAQUE = 0.5  # points that are less opaque do not count
# head units from the head's surface: up to the first a point is on the head, from the second on,
# beside the neck's lower edge, on the body
NEAR, FAR = 0.1, 0.3
SMOOTHED = 3  # pixels in each direction, over which colors are averaged before they are compared
CHANGED = 0.05  # change of a color, from 0 to 1, by which a pixel has moved


@torch.no_grad()
def skinning_errors(avatar: HeadAvatar, head: SubjectHead) -> dict[str, float | int | None]:
    """How far the learned skinning weights of points on the head are from those of their nearest
    vertices, as mean absolute difference over bones (`head_mean`) and as its sum (`head_sum`), and
    the weight of the bone that stays for points on the body (`body_ghost`); None without such
    points. head: of the avatar's subject, with its mean expression, on its device."""
    anchored, look = avatar.ready()
    opaque = torch.sigmoid(look.opacity[..., 0]) >= OPAQUE
    nearest = head.nearest(anchored.canonical)
    distance = (anchored.canonical - head.vertices[nearest]).norm(dim=-1)
    wanted = head.directions.weights[nearest]
    root = wanted[:, 1] > 0.5
    on_head = opaque & (distance < NEAR)
    on_body = opaque & root & (distance > FAR)
    learned = anchored.directions.weights
    differences = (learned - wanted).abs()[on_head]
    return {
        "head_mean": _mean(differences.mean(1)),
        "head_sum": _mean(differences.sum(1)),
        "body_ghost": _mean(learned[on_body, 0]),
        "points_on_head": int(on_head.sum()),
        "points_on_body": int(on_body.sum()),
    }


def _mean(values: Tensor) -> float | None:
    return float(values.mean()) if len(values) else None


@torch.no_grad()
def expression_overlaps(avatar: HeadAvatar, lone: Footage, backend: str) -> list[dict[str, Any]]:
    """`overlaps` of the avatar's pictures of a clip of lone expressions with the clip's own."""
    device = avatar.points.device
    expression, pose = lone.expression.to(device), lone.pose.to(device)
    cameras = lone.cameras.to(device)
    ready = avatar.ready()
    drawn = []
    for frame in range(len(lone)):
        one = slice(frame, frame + 1)
        gaussians = avatar(expression[one], pose[one], ready=ready)
        drawn.append(rendered(gaussians, cameras[one], None, backend).clamp(0, 1).cpu())
    truth = lone.images(torch.arange(len(lone)), torch.device("cpu"))
    return overlaps(torch.cat(drawn), truth, lone.expression.numpy())


def moved(pictures: Tensor, still: Tensor) -> Tensor:
    """Whether pixels [F, 1, S, S] of pictures [F, 3, S, S] in 0-1 differ from those of a picture
    [1, 3, S, S], both smoothed: edges that lie half a pixel aside do not count."""

    def smooth(images: Tensor) -> Tensor:
        return F.avg_pool2d(images, SMOOTHED, 1, SMOOTHED // 2, count_include_pad=False)

    return (smooth(pictures) - smooth(still)).abs().amax(1, keepdim=True) > CHANGED


def overlaps(predictions: Tensor, truths: Tensor, expression: np.ndarray) -> list[dict[str, Any]]:
    """By expression, most moved pixels first: how well the pixels that it moves in an avatar's
    pictures [F, 3, S, S] in 0-1 overlap those that it moves in the true ones (IoU over its frames).

    expression [F, 50]: of the frames, of which the first is at rest and each other one has one
    number that differs from that. An expression that truly moves no pixel has no overlap.
    """
    found, true = (moved(x, x[:1]) for x in (predictions, truths))
    columns = np.abs(expression - expression[0]).argmax(1)
    rows = []
    for column in np.unique(columns[1:]):
        frames = torch.from_numpy(np.flatnonzero(columns == column))
        frames = frames[frames > 0]
        # the frames of an expression side by side, as one area
        areas = (x[frames].flatten()[None, None, None] for x in (found, true))
        pixels = int(true[frames].sum())
        rows.append(
            {
                "expression": int(column),
                "pixels": pixels,
                "iou": float(iou(*areas)) if pixels else None,
            }
        )
    return sorted(rows, key=lambda row: -row["pixels"])
