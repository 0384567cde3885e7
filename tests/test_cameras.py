import math

import numpy as np
import pytest
import torch

from hgm.cameras import Cameras, intrinsics, look_at, orbit, sphere


def test_the_rig_stands_where_the_paper_puts_it():
    rig = orbit(size=512, dtype=torch.float64)
    expected = {0: (0, 0, 1.5), 3: (1.5, 0, 0), 6: (0, 0, -1.5), 9: (-1.5, 0, 0)}
    for view, center in expected.items():
        assert np.allclose(rig.centers[view], center, atol=1e-12)
    fov = 2 * math.degrees(math.atan(0.5 * rig.width / rig.K[0, 0, 0].item()))
    assert fov == pytest.approx(64.01, abs=0.01)


def test_directions_in_the_front_image():
    rig = orbit(1, size=100)
    points = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])
    pixels, depth = rig[0].project(points)
    assert pixels[0, 0] > 50 and pixels[0, 1] == pytest.approx(50)  # +x is right in the image
    assert pixels[1, 1] < 50  # +y is up
    assert depth[2] == pytest.approx(1.4)  # +z comes towards the camera


def test_projection_equals_the_matrix_product():
    generator = torch.Generator().manual_seed(0)
    K = torch.tensor([[500.0, 0, 201], [0, 450, 130], [0, 0, 1]], dtype=torch.float64)
    pose = look_at(
        torch.tensor([0.4, 0.3, 2.0], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    )
    camera = Cameras(K, pose, 400, 300)
    points = torch.randn(20, 3, generator=generator, dtype=torch.float64) * 0.3
    pixels, depth = camera.project(points)
    for p, q, z in zip(points.numpy(), pixels.numpy(), depth.numpy(), strict=True):
        x = K.numpy() @ (pose.numpy() @ np.r_[p, 1])[:3]
        assert np.allclose(q, x[:2] / x[2]) and np.isclose(z, x[2])


def test_rays_meet_the_points_they_were_drawn_for():
    camera = orbit(5, size=64, dtype=torch.float64)[2]
    o, d = camera.rays()
    point = o[:, 10, 40] + 1.3 * d[:, 10, 40]
    pixel, _ = camera.project(point[None])
    assert torch.allclose(pixel[0], torch.tensor([40.5, 10.5], dtype=torch.float64))
    assert torch.allclose(d.norm(dim=0), torch.ones((), dtype=torch.float64))


def test_ray_embedding_is_moment_then_direction():
    rig = orbit(2, size=8)
    e = rig.ray_embedding()
    o, d = rig.rays()
    assert e.shape == (2, 6, 8, 8) and torch.equal(e[:, 3:], d)
    assert torch.allclose((e[:, :3] * d).sum(1), torch.zeros(()), atol=1e-6)
    assert torch.allclose(e[:, :3], torch.linalg.cross(o, d, dim=1))


def test_resizing_keeps_the_field_of_view():
    rig = orbit(3, size=128)
    point = torch.tensor([[0.2, -0.3, 0.1]])
    a, _ = rig.project(point)
    b, _ = rig.resized(512).project(point)
    assert torch.allclose(a * 4, b, atol=1e-3)


def test_json_round_trip_is_exact():
    rig = orbit(4, size=96, dtype=torch.float64)
    again = Cameras.from_json(rig.to_json(), torch.float64)
    assert torch.equal(rig.K, again.K) and torch.equal(rig.world_to_camera, again.world_to_camera)


def test_sphere_cameras_look_at_the_pelvis():
    rig = sphere(20, size=64)
    pixels, depth = rig.project(torch.zeros(1, 3).expand(20, 1, 3))
    assert torch.allclose(pixels, torch.tensor(32.0), atol=1e-3)
    assert torch.allclose(depth[:, 0], rig.centers.norm(dim=-1), atol=1e-5)
    assert torch.det(rig.world_to_camera[:, :3, :3]).allclose(torch.ones(20), atol=1e-5)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="world_to_camera"):
        Cameras(intrinsics(8), torch.eye(3), 8, 8)
