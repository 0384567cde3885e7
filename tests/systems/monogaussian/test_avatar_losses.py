"""Losses of an avatar against plain numpy, and the errors of tracked numbers."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from hgm.metrics.lpips import VGG16
from hgm.systems.monogaussian.losses import VGGLoss, head_loss, picture_loss
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions
from hgm.systems.monogaussian.tracking import parameter_errors


def directions(seed: int, points: int = 7) -> Directions:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(points, 6, generator=generator)
    return Directions(
        weights / weights.sum(1, keepdim=True),
        torch.randn(points, 36, 3, generator=generator),
        torch.randn(points, 50, 3, generator=generator),
    )


def test_the_loss_towards_the_head_is_the_published_one():
    learned, wanted = directions(0), directions(1)
    variance = torch.linspace(0.1, 2, 50)
    a, b = ({k: v.numpy().astype(float) for k, v in vars(d).items()} for d in (learned, wanted))
    skinning = ((a["weights"] - b["weights"]) ** 2).mean()
    poses = ((10 * a["pose_shapes"] - 10 * b["pose_shapes"]) ** 2).mean()
    squares = (10 * a["expressions"] - 10 * b["expressions"]) ** 2
    expressions = (squares / (variance.numpy()[None, :, None] * 50)).mean()
    expected = 0.1 * skinning + 10 * poses + 10 * expressions
    assert float(head_loss(learned, wanted, variance)) == pytest.approx(expected, rel=1e-5)


def random_vgg() -> VGGLoss:
    torch.manual_seed(0)
    loss = VGGLoss()
    for layer in loss.trunk.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return loss


def test_pictures_are_compared_by_three_measures():
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.rand(2, 3, 32, 32, generator=generator) for _ in range(2))
    plain, parts = picture_loss(one, two, Avatar(), None)
    assert set(parts) == {"l1", "ssim"}
    assert float(plain) == pytest.approx(float(parts["l1"] + 0.25 * parts["ssim"]), rel=1e-6)
    assert float(parts["l1"]) == pytest.approx(float(np.abs(one - two).mean()), rel=1e-5)
    vgg = random_vgg()
    whole, parts = picture_loss(one, two, Avatar(), vgg)
    assert float(whole - plain) == pytest.approx(0.1 * float(parts["vgg"]), rel=1e-4)
    assert float(picture_loss(one, one, Avatar(), vgg)[0]) == pytest.approx(0, abs=1e-6)


def test_vgg_compares_four_blocks_at_224_pixels():
    loss = random_vgg()
    assert isinstance(loss.trunk, VGG16)
    maps = loss.features(torch.rand(1, 3, 30, 30))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28),
    ]  # fmt: skip
    assert VGGLoss.load(None) is None


def test_errors_of_tracking_are_angles_and_shares():
    rng = np.random.default_rng(0)
    true_pose = rng.normal(size=(6, 15))
    turns = Rotation.from_rotvec(true_pose.reshape(-1, 3))
    axes = rng.normal(size=(30, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = rng.uniform(0, 3, 30)
    pose = (turns * Rotation.from_rotvec(axes * angles[:, None])).as_rotvec().reshape(6, 15)
    true_expression = np.zeros((6, 50))
    true_expression[:, :4] = rng.normal(size=(6, 4))
    deviation = true_expression[:, :4].std(0, ddof=1)
    expression = true_expression.copy()
    expression[:, :4] += 0.3 * deviation
    found = parameter_errors(*map(torch.tensor, (expression, pose, true_expression, true_pose)))
    assert found["pose_degrees"] == pytest.approx(np.rad2deg(angles).mean(), rel=1e-9)
    assert found["expression"] == pytest.approx(0.3, rel=1e-9)
    degrees = np.rad2deg(angles).reshape(6, 5)
    assert found["jaw_degrees"] == pytest.approx(degrees[:, 2].mean(), rel=1e-9)
    assert found["eyes_degrees"] == pytest.approx(degrees[:, 3:].mean(), rel=1e-9)
    heads = [
        Rotation.from_rotvec(p[:, :3]) * Rotation.from_rotvec(p[:, 3:6]) for p in (pose, true_pose)
    ]
    apart = (heads[0].inv() * heads[1]).magnitude()
    assert found["head_degrees"] == pytest.approx(np.rad2deg(apart).mean(), rel=1e-9)
