import numpy as np
import pytest
import torch
import trimesh

from hgm.errors import InputError
from hgm.gaussians import Gaussians, activate, rotation_matrices


def some(n: int = 50, seed: int = 0) -> Gaussians:
    return activate(torch.randn(n, 14, generator=torch.Generator().manual_seed(seed)))


def test_activations_follow_the_paper():
    raw = torch.randn(3, 5, 14, generator=torch.Generator().manual_seed(1)) * 2
    g = activate(raw)
    x = raw.numpy().astype(np.float64)
    assert np.allclose(g.means, np.clip(x[..., :3], -1, 1))
    assert np.allclose(g.opacities, 1 / (1 + np.exp(-x[..., 3])), atol=1e-6)
    assert np.allclose(g.scales, 0.1 * np.log1p(np.exp(x[..., 4:7])), atol=1e-6)
    assert np.allclose(g.quats.norm(dim=-1), 1, atol=1e-6)
    assert np.allclose(g.colors, 0.5 * np.tanh(x[..., 11:]) + 0.5, atol=1e-6)


def test_packing_round_trip_and_order():
    g = some()
    again = Gaussians.from_packed(g.packed())
    assert torch.equal(again.packed(), g.packed())
    assert torch.equal(g.packed()[:, 3], g.opacities)


def test_ply_round_trip(tmp_path):
    g = some(200)
    g.save_ply(tmp_path / "g.ply", min_opacity=0.0)
    again = Gaussians.load_ply(tmp_path / "g.ply")
    assert torch.allclose(again.packed(), g.packed(), atol=2e-5)


def test_ply_is_read_by_an_independent_reader(tmp_path):
    g = some(30)
    g.save_ply(tmp_path / "g.ply", min_opacity=0.0)
    cloud = trimesh.load(tmp_path / "g.ply")
    assert np.allclose(cloud.vertices, g.means, atol=1e-6)


def test_ply_leaves_out_transparent_gaussians(tmp_path):
    g = some(100)
    g.opacities[:40] = 0.001
    g.save_ply(tmp_path / "g.ply")
    assert len(Gaussians.load_ply(tmp_path / "g.ply")) == int((g.opacities >= 0.005).sum())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ply\nformat ascii 1.0\nend_header\n",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\nend_header\n",
    ],
)
def test_bad_ply_is_one_clear_error(tmp_path, content):
    (tmp_path / "bad.ply").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.ply"):
        Gaussians.load_ply(tmp_path / "bad.ply")


def test_rotation_matrices_are_rotations():
    q = torch.randn(10, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    R = rotation_matrices(q)
    assert torch.allclose(R @ R.mT, torch.eye(3, dtype=torch.float64).expand(10, 3, 3), atol=1e-12)
    half = rotation_matrices(torch.tensor([2**-0.5, 0, 0, 2**-0.5]))  # a quarter turn about z
    assert torch.allclose(half @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6)


def test_normals_are_the_shortest_axis():
    g = some(20)
    longest = torch.zeros(20, 3)
    longest[:, 2] = 1
    flat = Gaussians(
        g.means,
        g.opacities,
        torch.tensor([0.1, 0.2, 0.01]).expand(20, 3),
        torch.tensor([1.0, 0, 0, 0]).expand(20, 4),
        g.colors,
    )
    assert torch.allclose(flat.normals().abs(), longest)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="scales"):
        Gaussians(
            torch.zeros(4, 3),
            torch.zeros(4),
            torch.zeros(4, 2),
            torch.zeros(4, 4),
            torch.zeros(4, 3),
        )
