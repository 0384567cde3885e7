"""The antialiased mode of splatting: brute force, finite differences, gsplat's formula, and what it
is for."""

import pytest
import torch
from splat_scenes import NAMES, dense, gradients, leaves, make_cameras, make_gaussians
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.splat import render
from hgm.splat.projection import project

CPU = ["numba", "torch"]
BACKGROUND = (0.2, 0.5, 0.9)


def flat(count: int = 200) -> Gaussians:
    """Thin sheets: those seen from the side hide nearly nothing."""
    gaussians = make_gaussians(count)
    scales = gaussians.scales * torch.tensor([1.0, 1.0, 1e-3])
    return Gaussians(
        gaussians.means, gaussians.opacities, scales, gaussians.quats, gaussians.colors
    )


def test_torch_equals_brute_force_in_float64() -> None:
    cameras = make_cameras(2, 37, 50)
    ours, theirs = (leaves(make_gaussians(300, scale=0.02), torch.float64) for _ in range(2))
    got = render(ours, cameras, backend="torch", background=BACKGROUND, antialiased=True)
    want = dense(theirs, cameras, BACKGROUND, antialiased=True)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert (a[name] - b[name]).norm() < 1e-8 * b[name].norm(), name


@pytest.mark.parametrize(
    "scene",
    [make_gaussians(600, scale=0.005), make_gaussians(300, scale=0.05), flat()],
    ids=["small", "middle", "flat"],
)
@pytest.mark.parametrize("backend", CPU)
def test_float32_is_close_to_brute_force(backend: str, scene: Gaussians) -> None:
    cameras = make_cameras(2, 37, 50)
    ours = leaves(scene)
    theirs = leaves(scene, torch.float64)
    got = render(ours, cameras, backend=backend, background=BACKGROUND, antialiased=True)
    want = dense(theirs, cameras, BACKGROUND, antialiased=True)
    for image, exact in zip(got, want, strict=True):
        error = (image.double() - exact).abs()
        assert error.median() < 1e-6
        # a rounded alpha may fall on the other side of 1/255
        assert (error > 1e-4).double().mean() < 2e-3
    assert want[1].max() > 0.2
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert (a[name] - b[name]).norm() < 2e-3 * b[name].norm(), name


def test_finite_differences() -> None:
    gaussians = leaves(make_gaussians(4, scale=0.1), torch.float64)
    cameras = make_cameras(1, 7, 6).to(torch.float64)
    K = cameras.K.requires_grad_()
    w2c = cameras.world_to_camera.requires_grad_()

    def images(K: Tensor, w2c: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            render(Gaussians(*tensors), Cameras(K, w2c, 7, 6), backend="torch", antialiased=True)
        )

    inputs = [K, w2c, *(getattr(gaussians, n) for n in NAMES)]
    assert torch.autograd.gradcheck(images, inputs, eps=1e-7, atol=1e-5)


def test_the_compiled_kernels_push_cameras_as_brute_force_does() -> None:
    scene = make_gaussians(500, scale=0.02)
    rig = make_cameras(2, 37, 50)
    results = []
    for dtype in (torch.float32, torch.float64):
        K, w2c = (x.to(dtype, copy=True).requires_grad_() for x in (rig.K, rig.world_to_camera))
        cameras = Cameras(K, w2c, 37, 50)
        images = (
            render(scene, cameras, backend="numba", antialiased=True)
            if dtype == torch.float32
            else dense(scene.to(dtype), cameras, antialiased=True)
        )
        generator = torch.Generator().manual_seed(7)
        loss = sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in images)
        results.append(torch.autograd.grad(loss, [K, w2c]))
    for a, b in zip(*results, strict=True):
        assert (a - b).norm() < 2e-3 * b.norm()


@pytest.mark.parametrize("backend", CPU)
def test_one_gaussian_follows_the_formula(backend: str) -> None:
    """Round, in the middle of a pixel: covariance v I, so the opacity is multiplied by v / (v +
    0.3)."""
    camera = orbit(1, size=32)
    K = camera.K.clone()
    K[:, :2, 2] = 16.5
    scale = 0.02
    gaussian = Gaussians(
        torch.zeros(1, 3),
        torch.tensor([0.8]),
        torch.full((1, 3), scale),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.ones(1, 3),
    )
    cameras = Cameras(K, camera.world_to_camera, 32, 32)
    got = render(gaussian, cameras, backend=backend, antialiased=True).alpha[0, 0, 16, 16]
    v = (0.8 * 32 * scale / 1.5) ** 2
    assert got.item() == pytest.approx(0.8 * v / (v + 0.3), rel=1e-5)
    classic = render(gaussian, cameras, backend=backend).alpha[0, 0, 16, 16]
    assert classic.item() == pytest.approx(0.8, rel=1e-5)


@pytest.mark.parametrize("backend", CPU)
def test_small_pictures_hide_as_much_as_large_ones(backend: str) -> None:
    """Faint Gaussians of a tenth of a small picture's pixel: their mean coverage is that of the
    large picture, where classic mode shows several times as much."""
    gaussians = make_gaussians(60, scale=0.02)
    faint = Gaussians(
        gaussians.means,
        torch.full((60,), 0.9),
        gaussians.scales,
        gaussians.quats,
        gaussians.colors,
    )
    rig = make_cameras(1, 512, 512)

    def cover(size: int, antialiased: bool) -> float:
        cameras = rig.resized(size)
        return float(render(faint, cameras, backend=backend, antialiased=antialiased).alpha.mean())

    true = cover(512, False)
    assert cover(512, True) == pytest.approx(true, rel=0.05)
    assert cover(32, True) == pytest.approx(true, rel=0.25)
    assert cover(32, False) > 1.5 * true


@pytest.mark.parametrize("backend", CPU)
def test_what_has_no_area_is_not_drawn(backend: str) -> None:
    good = make_gaussians(30)
    scales = good.scales.clone()
    scales[4] = 0
    scales[5, :2] = 0
    scales[6] = torch.nan
    scene = leaves(Gaussians(good.means, good.opacities, scales, good.quats, good.colors))
    cameras = make_cameras(1, 24, 24)
    got = render(scene, cameras, backend=backend, antialiased=True)
    keep = [i for i in range(30) if i not in (4, 5, 6)]
    want = render(good[keep], cameras, backend=backend, antialiased=True)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    for gradient in gradients(got, scene).values():
        assert gradient.isfinite().all() and not gradient[[4, 5, 6]].any()


def test_projections_are_those_of_gsplat() -> None:
    """Against the plain torch implementation that gsplat tests its kernels with: compensations and
    all else that is projected, and its gradients to cameras."""
    pytest.importorskip("gsplat")
    from gsplat.cuda._torch_impl import _fully_fused_projection, _quat_scale_to_covar_preci

    scene = make_gaussians(200, scale=0.02).to(torch.float64)
    rig = make_cameras(3, 37, 50).to(torch.float64)
    ours, theirs = (rig.world_to_camera.clone().requires_grad_() for _ in range(2))
    covariances, _ = _quat_scale_to_covar_preci(scene.quats, scene.scales, True, False, False)
    radii, means, depths, conics, compensations = _fully_fused_projection(
        scene.means,
        covariances,
        theirs,
        rig.K,
        37,
        50,
        eps2d=0.3,
        near_plane=0.01,
        calc_compensations=True,
    )
    seen = (radii > 0).all(-1)
    assert seen.sum() > 300
    splats = project(scene[None], Cameras(rig.K[None], ours[None], 37, 50), 0.01, antialiased=True)
    assert splats.compensations is not None
    want = [x[seen] for x in (means, conics, depths, compensations)]
    got = [x[0][seen] for x in (splats.means, splats.conics, splats.depths, splats.compensations)]
    pushed = []
    for values, w2c in ((got, ours), (want, theirs)):
        generator = torch.Generator().manual_seed(7)
        loss = sum((x * torch.randn(x.shape, generator=generator)).sum() for x in values)
        pushed.append(torch.autograd.grad(loss, w2c)[0])
    for a, b in zip([*got, pushed[0]], [*want, pushed[1]], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
