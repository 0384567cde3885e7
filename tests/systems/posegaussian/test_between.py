"""Cameras between two cameras."""

import pytest
import torch
from ball_pairs import rig, standing

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.posegaussian.between import between, evenly


def test_the_ends_are_the_two_cameras():
    ends = rig()
    ends.K[1] *= torch.tensor([[1.1], [1.2], [1]])
    ends.K[1, 0, 2] += 3
    found = evenly(ends, 5)
    torch.testing.assert_close(found.K[[0, 4]], ends.K)
    torch.testing.assert_close(found.world_to_camera[[0, 4]], ends.world_to_camera)
    torch.testing.assert_close(found.K[2], ends.K.mean(0))


def test_on_an_arc_the_way_is_the_arc():
    """Which the release's renders are: the view halfway stands at half the angle."""
    ends = rig(45)
    ratios = [0.25, 0.5, 0.9]
    found = between(ends, ratios)
    truth = standing([45 * (r - 0.5) for r in ratios], 64)
    torch.testing.assert_close(found.world_to_camera, truth.world_to_camera)


def test_the_world_does_not_matter():
    """The same way in a world that is turned and whose origin is elsewhere."""
    ends = rig(45)
    world = torch.eye(4).double()
    world[:3, :3] = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    world[:3, 3] = torch.tensor([30.0, 1, -2])
    other = Cameras(ends.K, ends.world_to_camera @ world, ends.width, ends.height)
    expected = evenly(ends, 5).world_to_camera @ world
    torch.testing.assert_close(evenly(other, 5).world_to_camera, expected)


@pytest.mark.parametrize("degrees", [0, 0.001])
def test_between_parallel_cameras_the_way_is_straight(degrees):
    ends = standing([0, degrees], 64)
    ends.world_to_camera[1, 0, 3] = -0.2
    centers = evenly(ends, 3).centers
    torch.testing.assert_close(centers[1], centers[[0, 2]].mean(0), atol=1e-5, rtol=0)


def test_the_rotation_turns_at_constant_speed():
    """Of cameras that stand anyhow: equal steps turn by the same rotation."""
    ends = rig()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())
    ends.world_to_camera[1, :3, :3] = turn.Q * turn.Q.det()
    R = evenly(ends, 4).world_to_camera[:, :3, :3]
    steps = R[1:] @ R[:-1].mT
    torch.testing.assert_close(steps, steps[:1].expand(3, 3, 3))


def test_what_lies_not_between_is_refused():
    with pytest.raises(InputError, match=r"from 0 \(left\) to 1"):
        between(rig(), [0.5, 1.5])
    with pytest.raises(InputError, match="ratio"):
        between(rig(), [float("nan")])
    with pytest.raises(InputError, match="180 degrees apart"):
        between(rig(180), [0.5])
