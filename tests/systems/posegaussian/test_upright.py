"""Pairs in worlds whose y axis does not point up."""

import numpy as np
import pytest
import torch
from ball_pairs import ball_pair
from scipy.spatial.transform import Rotation

from hgm.gaussians import rotation_matrices
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.novel_views import predict
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.upright import turned_pair, upright_turn

WORLDS = {
    "z up": Rotation.from_euler("x", 90, degrees=True),
    "y down": Rotation.from_euler("z", 180, degrees=True),
    "x up": Rotation.from_euler("z", -90, degrees=True),
}


@pytest.fixture(scope="module")
def pair():
    return ball_pair()


def test_a_world_with_y_up_is_kept(pair):
    np.testing.assert_array_equal(upright_turn(pair), np.eye(3))


@pytest.mark.parametrize("name", WORLDS)
def test_another_world_is_turned(pair, name):
    other = turned_pair(pair, WORLDS[name].as_matrix())
    turn = upright_turn(other)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    up = -turned_pair(other, turn).source_world_to_camera[:, 1, :3].mean(0)
    np.testing.assert_allclose(up / np.linalg.norm(up), [0, 1, 0], atol=1e-9)


def test_gaussians_come_back_to_the_pairs_world(pair):
    """The network sees the same pair whatever its world, so the Gaussians only turn with it."""
    torch.manual_seed(0)
    network = PoseGaussian(Design.of(Network(preset="small", rotate_by_camera=True), "none"))
    network = network.requires_grad_(False).eval()
    own = predict(network, pair)
    turn = WORLDS["z up"].as_matrix()
    other = predict(network, turned_pair(pair, turn))
    torch.testing.assert_close(
        other.batch.cameras.world_to_camera, turned_pair(pair, turn).cameras.world_to_camera
    )
    matrix = torch.from_numpy(turn).float()
    for a, b in ((own.gaussians, other.gaussians), (own.points, other.points)):
        torch.testing.assert_close(b.means, a.means @ matrix.mT, atol=1e-4, rtol=0)
        torch.testing.assert_close(b.colors, a.colors)
    shapes = [
        rotation_matrices(g.quats) * g.scales[:, None] for g in (own.gaussians, other.gaussians)
    ]
    covariances = [x @ x.mT for x in shapes]
    expected = matrix @ covariances[0] @ matrix.mT
    largest = float(expected.abs().max())
    torch.testing.assert_close(covariances[1], expected, atol=1e-3 * largest, rtol=0)
