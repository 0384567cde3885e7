"""Gaussians on the surfaces of a person: which pixels, where they start, what the picture shows
before any training, and that samples do not touch each other."""

import math

import numpy as np
import pytest
import torch
from net_samples import rig, tiny_model
from torch import Tensor

from hgm.body.canonical import canonical
from hgm.body.model import BodyModel
from hgm.cameras import Cameras, intrinsics, look_at, orbit
from hgm.errors import InputError
from hgm.gaussians import rotation_matrices
from hgm.geometry.rays import RayMesh
from hgm.splat import render
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.surfaces import (
    DEPTH,
    PersonPixels,
    Rays,
    body_depths,
    camera_quats,
    multiplied,
    person_colors,
    starts,
    surface_depths,
)

SIZE = 64


def discs(radii: list[float], views: int = 1) -> Tensor:
    """Masks [len(radii), views, 1, SIZE, SIZE] of discs in the middle."""
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    away = ((x - SIZE / 2) ** 2 + (y - SIZE / 2) ** 2).sqrt()
    masks = torch.stack([(r + 0.5 - away).clamp(0, 1) for r in radii])
    return masks[:, None, None].expand(-1, views, -1, -1, -1)


def sample(radii: list[float], views: int = 1) -> tuple[Tensor, Cameras, Tensor, Tensor]:
    """Pictures of noisy discs, their cameras, the vertices of balls, and masks."""
    masks = discs(radii, views)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(len(radii), views, 3, SIZE, SIZE, generator=generator) * 0.8
    ball = torch.nn.functional.normalize(torch.randn(501, 3, generator=generator), dim=-1)
    vertices = torch.stack([ball * r / SIZE * 1.5 / 0.8 for r in radii])
    return noise * masks + 1 - masks, rig(len(radii), views, SIZE), vertices, masks


def test_pixels_are_the_persons_in_raster_order_view_after_view() -> None:
    masks = torch.zeros(2, 2, 1, 4, 4)
    masks[0, 0, 0, 1, 2] = masks[0, 1, 0, 3, 0] = masks[0, 0, 0, 0, 3] = 1.0
    masks[1, 1, 0, 2, 2] = 0.5
    masks[1, 0, 0, 2, 2] = 0.1  # too little of the person
    pixels = PersonPixels.of(masks)
    assert pixels.index[0].tolist() == [3, 6, 16 + 12]
    assert pixels.index[1].tolist() == [16 + 10, 0, 0]
    assert pixels.valid.tolist() == [[True] * 3, [True, False, False]]
    with pytest.raises(InputError, match="masks: no pixel belongs to the person"):
        PersonPixels.of(torch.cat([masks, torch.zeros(1, 2, 1, 4, 4)]))


def test_axes_of_cameras_are_turned_as_their_matrices() -> None:
    eyes = torch.nn.functional.normalize(
        torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    w2c = look_at(eyes, torch.zeros(3))
    cameras = Cameras(intrinsics(8).expand(200, 3, 3), w2c, 8, 8)
    quats = camera_quats(cameras)
    torch.testing.assert_close(rotation_matrices(quats), w2c[:, :3, :3].mT, atol=1e-5, rtol=0)
    product = rotation_matrices(multiplied(quats[:100], quats[100:]))
    both = rotation_matrices(quats[:100]) @ rotation_matrices(quats[100:])
    torch.testing.assert_close(product, both, atol=1e-5, rtol=0)


def test_gaussians_lie_on_the_rays_of_their_pixels_and_move_along_them() -> None:
    images, cameras, vertices, masks = sample([20.0], views=2)
    pixels = PersonPixels.of(masks)
    start = starts(images, masks, cameras, vertices, pixels, 1)
    raw = torch.zeros(*start.depth.shape[:2], 14)
    raw[..., 2] = 0.1
    moved, depth = start.moved(raw)
    assert (depth - start.depth).min() > 0.09
    for points in (start.points[0], moved.means[0]):
        for view in range(2):
            mine = pixels.index[0] // SIZE**2 == view
            place = pixels.index[0, mine] % SIZE**2
            center = torch.stack([place % SIZE, place // SIZE], -1) + 0.5
            seen = cameras[0, view].project(points[mine])[0]
            torch.testing.assert_close(seen, center, atol=2e-3, rtol=0)
    ray = rotation_matrices(Rays.of(cameras, pixels).quats)[..., 2]
    torch.testing.assert_close(
        ray, torch.nn.functional.normalize(start.rays.step, dim=-1), atol=1e-5, rtol=0
    )


def test_gaussians_move_less_than_a_pixel_across_their_rays() -> None:
    images, cameras, vertices, masks = sample([20.0])
    pixels = PersonPixels.of(masks)
    start = starts(images, masks, cameras, vertices, pixels, 1)
    raw = torch.full((*start.depth.shape[:2], 14), 9.0)
    seen = cameras[0, 0].project(start.moved(raw)[0].means[0])[0]
    place = pixels.index[0]
    away = seen - torch.stack([place % SIZE, place // SIZE], -1) - 0.5
    assert away.abs().min() > 0.4 and away.abs().max() < 0.6


@pytest.fixture(scope="module")
def person(model: BodyModel) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a body."""
    return canonical(model, model.zeros()).vertices, model.faces


def test_depths_of_a_body_are_those_that_rays_find(person: tuple[Tensor, Tensor]) -> None:
    vertices, faces = person
    camera = orbit(size=128)[1]
    cameras = Cameras(camera.K[None, None], camera.world_to_camera[None, None], 128, 128)
    first, last = (d[0, 0, 0] for d in body_depths(cameras, vertices[None]))
    small = camera.resized(64)
    origin, direction = (x.flatten(1).T for x in small.rays())
    mesh = RayMesh(vertices.numpy(), faces.numpy())
    forward = (direction @ camera.world_to_camera[2, :3]).numpy()
    near, far = mesh_depths(mesh, origin.numpy(), direction.numpy())
    hit = np.isfinite(near)
    for found, true in ((first, near), (last, far)):
        error = np.abs(found.flatten().numpy() - true * forward)[hit]
        assert np.median(error) < 0.01 and np.quantile(error, 0.9) < 0.04


def mesh_depths(
    mesh: RayMesh, origin: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the first and the last hit of each ray; infinite where there is none."""
    far = 4.0
    near = mesh.distances(origin, direction)
    back = far - mesh.distances(origin + far * direction, -direction)
    return near, np.where(np.isfinite(near), back, np.inf)


def test_surfaces_meet_at_the_outline_like_those_of_a_ball() -> None:
    radius = 6.0
    masks = discs([radius])
    cameras = rig(1, 1, SIZE)
    first, last = surface_depths(masks, cameras, None)
    middle = SIZE // 2
    pixel = 1.5 / (0.8 * SIZE)
    half = ((last - first) / 2)[0, 0, 0, middle]
    assert half[middle] == pytest.approx(DEPTH, rel=0.05)
    at_the_edge = half[middle + int(radius) - 1]
    assert 0.2 * DEPTH < at_the_edge < 0.8 * DEPTH
    reach = min(1.0, 0.5 * pixel / DEPTH)
    outside = half[middle + int(radius) + 3]
    assert outside == pytest.approx(DEPTH * math.sqrt(reach * (2 - reach)), rel=0.01)


def test_the_outline_does_not_take_the_white_behind_the_person() -> None:
    masks = discs([20.0])
    color = torch.tensor([0.2, 0.5, 0.7])[:, None, None]
    found = person_colors(color * masks + 1 - masks, masks)
    inside = (masks > 0.25).expand_as(found)
    assert (found - color).abs()[inside].max() < 1e-4


def test_white_clothes_are_as_opaque_as_others() -> None:
    images, cameras, vertices, masks = sample([20.0])
    pixels = PersonPixels.of(masks)
    opacities = [
        starts(x, masks, cameras, vertices, pixels, 1).raw[..., 3]
        for x in (images, torch.ones_like(images))
    ]
    assert torch.equal(*opacities)
    assert torch.sigmoid(opacities[0]).max() > 0.9


def test_an_untrained_network_shows_its_picture(person: tuple[Tensor, Tensor], model) -> None:
    """Sharp by construction: a person with a checkered texture, from the front."""
    vertices, faces = person
    cameras = orbit(size=128)
    discs = Surfels.of(vertices, faces, cell=0.006).gaussians(vertices, pixel=0.5 / (0.8 * 128))
    checks = ((discs.means[:, :2] / 0.08).floor().sum(-1) % 2)[:, None]
    colors = checks * torch.tensor([0.1, 0.3, 0.6]) + (1 - checks) * torch.tensor([0.9, 0.6, 0.2])
    painted = type(discs)(discs.means, discs.opacities, discs.scales, discs.quats, colors)
    truth = render(painted, cameras)
    torch.manual_seed(0)
    net = HGM(tiny_model().config.replace(vertices=len(vertices), surfaces=2, input_size=128))
    with torch.no_grad():
        out = net.eval()(
            truth.rgb[None, :1],
            Cameras(cameras.K[None, :1], cameras.world_to_camera[None, :1], 128, 128),
            vertices[None],
            masks=truth.alpha[None, :1],
        )
        shown = render(out.merged[0], cameras[[0, 3]]).rgb.clamp(0, 1)
    errors = (shown - truth.rgb[[0, 3]]).square().mean((1, 2, 3))
    front, side = (-10 * torch.log10(errors)).tolist()
    assert front > 27
    assert side > 19  # with the front's colors on a body of the right shape


@pytest.mark.parametrize("views", [1, 2])
def test_a_sample_alone_is_as_in_a_batch(views: int) -> None:
    model = tiny_model(views, surfaces=2).eval()
    images, cameras, vertices, masks = sample([24.0, 10.0, 17.0], views)
    with torch.no_grad():
        together = model(images, cameras, vertices, masks=masks)
        for i in range(3):
            part = slice(i, i + 1)
            alone = model(images[part], cameras[part], vertices[part], masks=masks[part])
            count = len(alone.merged)
            for many, one in ((together.merged, alone.merged), (together.unet, alone.unet)):
                kept = many[i][many.opacities[i] > 0]
                assert len(kept) == count
                torch.testing.assert_close(kept.packed(), one[0].packed(), rtol=1e-4, atol=1e-4)


def test_what_fills_up_a_batch_is_never_seen() -> None:
    model = tiny_model(surfaces=2).eval()
    images, cameras, vertices, masks = sample([24.0, 10.0])
    with torch.no_grad():
        together = model(images, cameras, vertices, masks=masks).merged[1]
        alone = model(images[1:], cameras[1:], vertices[1:], masks=masks[1:]).merged[0]
        assert len(together) > 2 * len(alone)
        shown = [render(g, orbit(size=SIZE)).rgb for g in (together, alone)]
    torch.testing.assert_close(*shown, rtol=0, atol=1e-4)


@pytest.mark.parametrize("surfaces", [1, 2])
def test_every_parameter_learns(surfaces: int) -> None:
    model = tiny_model(surfaces=surfaces)
    images, cameras, vertices, masks = sample([20.0])
    out = model(images, cameras, vertices, masks=masks)
    sum(g.packed().square().sum() for g in (out.merged, out.unet, out.body)).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert idle == []


def test_the_image_branch_does_not_know_the_body() -> None:
    model = tiny_model(surfaces=2).eval()
    images, cameras, vertices, masks = sample([20.0])
    with torch.no_grad():
        out, moved, none = (
            model(images, cameras, v, masks=masks) for v in (vertices, vertices + 0.05, None)
        )
    assert torch.equal(out.unet.packed(), moved.unet.packed())
    assert torch.equal(out.unet.packed(), none.unet.packed())
    assert not torch.allclose(out.merged.means, moved.merged.means, atol=1e-3)
    assert none.body is None


def test_bf16_is_close() -> None:
    model = tiny_model(surfaces=2).eval()
    images, cameras, vertices, masks = sample([20.0])
    with torch.no_grad():
        exact, fast = (
            model(images, cameras, vertices, masks=masks, precision=p).merged.packed()
            for p in ("fp32", "bf16")
        )
    assert fast.dtype == torch.float32
    assert 0 < (exact - fast).abs().mean() < 0.01


def test_missing_masks_are_refused_in_one_line() -> None:
    model = tiny_model(surfaces=2)
    images, cameras, vertices, masks = sample([20.0])
    with pytest.raises(InputError, match=r"masks: expected \[1, 1, 1, 64, 64\], got none"):
        model(images, cameras, vertices)
    with pytest.raises(InputError, match=r"masks: expected .* got \[1, 1, 1, 32, 64\]"):
        model(images, cameras, vertices, masks=masks[..., :32, :])
