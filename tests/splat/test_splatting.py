"""Splatting against a brute-force renderer, against formulas, and against itself."""

import pytest
import torch
from splat_scenes import NAMES, dense, gradients, leaves, make_cameras, make_gaussians
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.splat import render

CPU = ["numba", "torch"]
BACKGROUND = (0.2, 0.5, 0.9)


def relative(a: Tensor, b: Tensor) -> float:
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def one_gaussian(
    opacity: float = 0.8, scale: float = 0.02, depth: float = 1.5, count: int = 1
) -> Gaussians:
    """`count` equal isotropic Gaussians, seen by `front_camera` in the middle of pixel (16, 16)."""
    means = torch.zeros(count, 3)
    means[:, 2] = 1.5 - depth
    return leaves(
        Gaussians(
            means,
            torch.full((count,), opacity),
            torch.full((count, 3), scale),
            torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
            torch.tensor([[0.9, 0.3, 0.1]]).repeat(count, 1),
        )
    )


def front_camera() -> Cameras:
    """One camera [1] at (0, 0, 1.5) that sees the origin at pixel position (16.5, 16.5)."""
    camera = orbit(1, size=32)
    K = camera.K.clone()
    K[:, :2, 2] = 16.5
    return Cameras(K, camera.world_to_camera, 32, 32)


@pytest.mark.parametrize("size", [(48, 48), (37, 50)])
def test_torch_equals_brute_force_in_float64(size: tuple[int, int]) -> None:
    cameras = make_cameras(2, *size)
    ours, theirs = (leaves(make_gaussians(300), torch.float64) for _ in range(2))
    got = render(ours, cameras, backend="torch", background=BACKGROUND)
    want = dense(theirs, cameras, BACKGROUND)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert relative(a[name], b[name]) < 1e-8, name


@pytest.mark.parametrize("scale", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("size", [(48, 48), (37, 50)])
@pytest.mark.parametrize("backend", CPU)
def test_float32_is_close_to_brute_force(backend: str, size: tuple[int, int], scale: float) -> None:
    """A rounded alpha may fall on the other side of 1/255 in single pixels; all others agree to
    single precision."""
    cameras = make_cameras(2, *size)
    gaussians = make_gaussians(400, scale=scale)
    ours = leaves(gaussians)
    theirs = leaves(gaussians, torch.float64)
    got = render(ours, cameras, backend=backend, background=BACKGROUND)
    want = dense(theirs, cameras, BACKGROUND)
    for image, exact in zip(got, want, strict=True):
        error = (image.double() - exact).abs()
        assert error.median() < 1e-6
        assert (error > 1e-4).double().mean() < 2e-3
        assert error.max() < 0.03
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert relative(a[name], b[name]) < 2e-3, name


def test_gradcheck_of_the_specification() -> None:
    gaussians = leaves(make_gaussians(5, scale=0.15), torch.float64)
    cameras = make_cameras(1, 7, 6)

    def images(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(render(Gaussians(*tensors), cameras, backend="torch", background=BACKGROUND))

    assert torch.autograd.gradcheck(
        images, [getattr(gaussians, n) for n in NAMES], eps=1e-7, atol=1e-5
    )


def test_numba_equals_torch_on_a_body_sized_scene() -> None:
    gaussians = make_gaussians(3000, scenes=2, scale=0.02)
    cameras = orbit(3, size=64)
    a = leaves(gaussians)
    b = leaves(gaussians)
    got = render(a, cameras, backend="numba")
    want = render(b, cameras, backend="torch")
    for x, y in zip(got, want, strict=True):
        assert (x - y).abs().median() < 1e-6
        assert ((x - y).abs() > 1e-4).float().mean() < 2e-3
    da = gradients(got, a)
    db = gradients(want, b)
    for name in NAMES:
        assert relative(da[name], db[name]) < 5e-3, name


@pytest.mark.parametrize("backend", CPU)
def test_one_gaussian_follows_the_formula(backend: str) -> None:
    got = render(one_gaussian(), front_camera(), backend=backend, background=BACKGROUND)
    variance = (0.8 * 32 * 0.02 / 1.5) ** 2 + 0.3
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    alpha = 0.8 * torch.exp(-((x - 16) ** 2 + (y - 16) ** 2) / (2 * variance))
    alpha = torch.where(alpha < 1 / 255, 0.0, alpha)
    torch.testing.assert_close(got.alpha[0, 0], alpha, rtol=1e-4, atol=1e-5)
    color = torch.tensor([0.9, 0.3, 0.1])[:, None, None]
    back = torch.tensor(BACKGROUND)[:, None, None]
    torch.testing.assert_close(got.rgb[0], alpha * color + (1 - alpha) * back, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got.depth[0, 0], 1.5 * (alpha > 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", CPU)
def test_alpha_is_clamped_and_the_clamp_stops_the_gradient(backend: str) -> None:
    gaussians = one_gaussian(opacity=1.0)
    alpha = render(gaussians, front_camera(), backend=backend).alpha[0, 0, 16, 16]
    assert alpha.item() == pytest.approx(0.99, abs=1e-6)
    (gradient,) = torch.autograd.grad(alpha, gaussians.opacities)
    assert gradient.item() == 0


@pytest.mark.parametrize("backend", CPU)
def test_a_finished_pixel_takes_nothing_more(backend: str) -> None:
    """Transmittance 0.05, 0.0025, 0.000125; the fourth would take it under 1e-4, so it and all
    later ones are left out."""
    gaussians = one_gaussian(opacity=0.95, count=40)
    got = render(gaussians, front_camera(), backend=backend)
    assert got.alpha[0, 0, 16, 16].item() == pytest.approx(1 - 0.05**3, abs=1e-6)
    (gradient,) = torch.autograd.grad(got.rgb[0, :, 16, 16].sum(), gaussians.colors)
    expected = 0.95 * torch.tensor([1.0, 0.05, 0.0025])
    torch.testing.assert_close(gradient[:3, 0], expected, rtol=1e-4, atol=1e-6)
    assert not gradient[3:].any()


@pytest.mark.parametrize("backend", CPU)
def test_faint_gaussians_are_skipped(backend: str) -> None:
    assert not render(one_gaussian(opacity=0.0039), front_camera(), backend=backend).alpha.any()
    assert (
        render(one_gaussian(opacity=0.0040), front_camera(), backend=backend).alpha[0, 0, 16, 16]
        > 0.0039
    )


@pytest.mark.parametrize("backend", CPU)
def test_nearer_comes_first_then_lower_index(backend: str) -> None:
    gaussians = one_gaussian(opacity=0.5, count=3)
    means = gaussians.means.detach().clone()
    means[:, 2] = torch.tensor([0.0, 0.3, 0.0])
    colors = torch.eye(3)
    scene = Gaussians(means, gaussians.opacities, gaussians.scales, gaussians.quats, colors)
    rgb = render(scene, front_camera(), backend=backend, background=(0, 0, 0)).rgb[0, :, 16, 16]
    torch.testing.assert_close(rgb, torch.tensor([0.25, 0.5, 0.125]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", CPU)
def test_flat_wall_has_its_depth_and_color(backend: str) -> None:
    """A sheet of Gaussians at z = 0.25: planar depth 1.25 in every pixel, not the distance along
    the ray."""
    side = torch.linspace(-1.2, 1.2, 30)
    y, x = torch.meshgrid(side, side, indexing="ij")
    means = torch.stack([x, y, torch.full_like(x, 0.25)], -1).reshape(-1, 3)
    n = len(means)
    wall = Gaussians(
        means,
        torch.full((n,), 0.95),
        torch.tensor([[0.09, 0.09, 0.001]]).repeat(n, 1),
        torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        torch.tensor([[0.7, 0.2, 0.4]]).repeat(n, 1),
    )
    got = render(wall, orbit(1, size=40), backend=backend)
    assert got.alpha.min() > 0.99
    torch.testing.assert_close(got.depth, torch.full_like(got.depth, 1.25), rtol=1e-5, atol=1e-5)
    want = torch.tensor([0.7, 0.2, 0.4])[None, :, None, None] * got.alpha + (1 - got.alpha)
    torch.testing.assert_close(got.rgb, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", CPU)
def test_batches_equal_single_calls(backend: str) -> None:
    """Scenes [2, 2] with their own cameras [2, 2, 3]: the same bits as view by view, gradients
    included."""
    flat = make_gaussians(150, scenes=4)
    rigs = make_cameras(12, 40, 33)
    scenes = leaves(Gaussians(*(getattr(flat, n).unflatten(0, (2, 2)) for n in NAMES)))
    cameras = Cameras(
        rigs.K.unflatten(0, (2, 2, 3)), rigs.world_to_camera.unflatten(0, (2, 2, 3)), 40, 33
    )
    got = render(scenes, cameras, backend=backend)
    assert got.rgb.shape == (2, 2, 3, 3, 33, 40) and got.alpha.shape == got.depth.shape == (
        2,
        2,
        3,
        1,
        33,
        40,
    )
    weights = [torch.randn(x.shape, generator=torch.Generator().manual_seed(3)) for x in got]
    grads = torch.autograd.grad(list(got), [getattr(scenes, n) for n in NAMES], weights)
    for i in range(2):
        for j in range(2):
            alone = leaves(scenes[i, j])
            images = render(alone, cameras[i, j], backend=backend)
            for a, b in zip(images, got, strict=True):
                torch.testing.assert_close(a, b[i, j], rtol=0, atol=1e-6)
            own = torch.autograd.grad(
                list(images), [getattr(alone, n) for n in NAMES], [w[i, j] for w in weights]
            )
            for a, b in zip(own, grads, strict=True):
                torch.testing.assert_close(a, b[i, j], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", CPU)
def test_one_rig_serves_all_scenes_and_one_scene_all_rigs(backend: str) -> None:
    scenes = make_gaussians(60, scenes=3)
    rig = make_cameras(2, 24, 24)
    together = render(scenes, rig, backend=backend).rgb
    assert together.shape == (3, 2, 3, 24, 24)
    for s in range(3):
        torch.testing.assert_close(
            together[s], render(scenes[s], rig, backend=backend).rgb, rtol=0, atol=1e-6
        )
    rigs = Cameras(
        torch.stack([rig.K, rig.K]),
        torch.stack([rig.world_to_camera, rig.world_to_camera.flip(0)]),
        24,
        24,
    )
    scene = leaves(scenes[0])
    both = render(scene, rigs, backend=backend)
    torch.testing.assert_close(both.rgb[1].flip(0), together[0], rtol=0, atol=1e-6)
    assert gradients(both, scene)["means"].shape == (60, 3)


@pytest.mark.parametrize("views", [1, 5])
def test_any_number_of_threads_gives_the_same_bits(
    views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaussians = make_gaussians(800, scenes=2)
    cameras = make_cameras(views, 61, 45)
    results = []
    for count in ("1", "2", "7"):
        monkeypatch.setenv("HGM_THREADS", count)
        for _ in range(2):
            scene = leaves(gaussians)
            images = render(scene, cameras, backend="numba")
            results.append([*images, *gradients(images, scene).values()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
