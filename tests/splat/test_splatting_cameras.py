"""Gradients of splatting to cameras: finite differences, brute force, and what costs nothing."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from splat_scenes import (
    NAMES,
    covariances,
    dense,
    dense_ellipsoids,
    gradients,
    leaves,
    make_cameras,
    make_gaussians,
)
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.splat import render, rendering
from hgm.splat.cuda import rasterize_inria

CPU = ["numba", "torch"]


def free(cameras: Cameras, dtype: torch.dtype = torch.float32) -> Cameras:
    """A copy whose tensors are leaves that require gradients."""
    return Cameras(
        *(
            x.detach().to(dtype, copy=True).requires_grad_()
            for x in (cameras.K, cameras.world_to_camera)
        ),
        cameras.width,
        cameras.height,
    )


def pushed(images: tuple[Tensor, ...], cameras: Cameras) -> list[Tensor]:
    """Gradients to K and world_to_camera of a random linear function of all images."""
    generator = torch.Generator().manual_seed(7)
    loss = sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in images)
    return list(torch.autograd.grad(loss, [cameras.K, cameras.world_to_camera]))


def wide(count: int = 300) -> Gaussians:
    """Gaussians of which many lie outside the image, where the Jacobian's tangent is that of the
    border, so that it depends on K alone."""
    gaussians = make_gaussians(count, scale=0.1)
    return Gaussians(gaussians.means * 2.5, *(getattr(gaussians, name) for name in NAMES[1:]))


def test_finite_differences() -> None:
    gaussians = leaves(make_gaussians(6, scale=0.15), torch.float64).detach()
    cameras = free(make_cameras(2, 7, 6), torch.float64)

    def images(K: Tensor, world_to_camera: Tensor) -> tuple[Tensor, ...]:
        return tuple(render(gaussians, Cameras(K, world_to_camera, 7, 6), backend="torch"))

    assert torch.autograd.gradcheck(
        images, [cameras.K, cameras.world_to_camera], eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("scene", [make_gaussians(300), wide()], ids=["ball", "beyond the border"])
def test_brute_force(scene: Gaussians) -> None:
    cameras = free(make_cameras(3, 37, 50), torch.float64)
    scene = scene.to(torch.float64)
    got = pushed(render(scene, cameras, backend="torch"), cameras)
    want = pushed(dense(scene, cameras), cameras)
    for a, b in zip(got, want, strict=True):
        assert b.abs().max() > 1
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("scene", [make_gaussians(700), wide()], ids=["ball", "beyond the border"])
def test_the_compiled_kernels_agree_with_brute_force(scene: Gaussians) -> None:
    ours = free(make_cameras(2, 37, 50))
    theirs = free(ours, torch.float64)
    got = pushed(render(scene, ours, backend="numba"), ours)
    want = pushed(dense(scene.to(torch.float64), theirs), theirs)
    for a, b in zip(got, want, strict=True):
        assert (a - b).norm() < 2e-3 * b.norm()
        fixed = b == 0
        assert torch.equal(a == 0, fixed)  # of K and world_to_camera the entries that are constant
        for v in range(2):  # no view's gradient hides behind that of another
            assert (a[v] - b[v]).norm() < 5e-3 * b[v].norm()


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("which", ["K", "world_to_camera"])
def test_one_of_the_two_may_be_fixed(backend: str, which: str) -> None:
    scene = make_gaussians(40)
    cameras = free(make_cameras(1, 24, 20))
    both = dict(
        zip(
            ("K", "world_to_camera"),
            pushed(render(scene, cameras, backend=backend), cameras),
            strict=True,
        )
    )
    free_one = {
        name: getattr(cameras, name) if name == which else getattr(cameras, name).detach()
        for name in both
    }
    images = render(scene, Cameras(**free_one, width=24, height=20), backend=backend)
    generator = torch.Generator().manual_seed(7)
    loss = sum((x * torch.randn(x.shape, generator=generator)).sum() for x in images)
    (alone,) = torch.autograd.grad(loss, [free_one[which]])
    torch.testing.assert_close(alone, both[which])


@pytest.mark.parametrize("backend", CPU)
def test_they_change_neither_pictures_nor_the_gradients_of_gaussians(backend: str) -> None:
    """Pictures to the bit; numba compiles the gradients into a kernel of their own, whose last bits
    may differ."""
    plain = leaves(make_gaussians(600, scenes=2))
    beside = leaves(plain)
    rig = make_cameras(3, 40, 33)
    images = render(plain, rig, backend=backend)
    others = render(beside, free(rig), backend=backend)
    assert all(torch.equal(a, b) for a, b in zip(images, others, strict=True))
    want = gradients(images, plain)
    got = gradients(others, beside)
    for name in NAMES:
        assert (got[name] - want[name]).norm() < 1e-5 * want[name].norm()


@pytest.mark.parametrize("backend", CPU)
def test_one_rig_of_many_scenes_gets_the_sum(backend: str) -> None:
    scenes = make_gaussians(150, scenes=3)
    rig = free(make_cameras(2, 24, 20))
    weights = torch.randn(3, 2, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    loss = (render(scenes, rig, backend=backend).rgb * weights).sum()
    got = torch.autograd.grad(loss, [rig.K, rig.world_to_camera])
    want = [torch.zeros(2, 3, 3), torch.zeros(2, 4, 4)]
    for s in range(3):
        alone = (render(scenes[s], rig, backend=backend).rgb * weights[s]).sum()
        for total, part in zip(
            want, torch.autograd.grad(alone, [rig.K, rig.world_to_camera]), strict=True
        ):
            total += part
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("views", [1, 5])
def test_any_number_of_threads_gives_the_same_bits(
    views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_gaussians(1500)
    results = []
    for count in ("1", "2", "7"):
        monkeypatch.setenv("HGM_THREADS", count)
        cameras = free(make_cameras(views, 61, 45))
        results.append(pushed(render(scene, cameras, backend="numba"), cameras))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("backend", CPU)
def test_broken_and_invisible_gaussians_push_no_camera(backend: str) -> None:
    good = make_gaussians(40)
    keep = torch.arange(40) > 3
    means = good.means.clone()
    means[0] = torch.nan
    means[1] = 1e30
    means[2] = torch.tensor([0.0, 0.0, 9.0])  # behind every camera or out of its image
    opacities = good.opacities.clone()
    opacities[3] = 0
    cameras = free(make_cameras(1, 24, 24))
    broken = Gaussians(means, opacities, good.scales, good.quats, good.colors)
    got = pushed(render(broken, cameras, backend=backend), cameras)
    want = pushed(render(good[keep], cameras, backend=backend), cameras)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("backend", CPU)
def test_a_shifted_camera_is_found_again(backend: str) -> None:
    """Descent on the pictures alone brings a camera back to where they were taken."""
    scene = make_gaussians(200)
    true = make_cameras(2, 40, 40)
    target = render(scene, true, backend=backend).rgb
    shift = torch.tensor([[0.05, -0.04, 0.06], [-0.03, 0.05, -0.05]])
    place = (true.world_to_camera[:, :3, 3] + shift).requires_grad_()
    optimizer = torch.optim.Adam([place], lr=0.005)
    for _ in range(60):
        top = torch.cat([true.world_to_camera[:, :3, :3], place[..., None]], -1)
        w2c = torch.cat([top, true.world_to_camera[:, 3:]], 1)
        loss = (render(scene, Cameras(true.K, w2c, 40, 40), backend=backend).rgb - target).square()
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    error = (place - true.world_to_camera[:, :3, 3]).norm(dim=-1)
    assert (error < 0.1 * shift.norm(dim=-1)).all()


def test_a_backend_without_gradients_to_K_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "resolve_backend", lambda name, device: "gsplat")
    with pytest.raises(InputError, match="gsplat gives no gradients to K; detach it"):
        render(make_gaussians(3), free(make_cameras(1, 8, 8)))


class InriaRasterizer:
    """Stands for the class of diff-gaussian-rasterization: the brute-force renderer in its
    interface. Like it, it gives no gradients to matrices."""

    def __init__(self, raster_settings: SimpleNamespace) -> None:
        self.settings = raster_settings

    def __call__(self, **inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        s = self.settings
        W = s.image_width
        H = s.image_height
        w2c = s.viewmatrix.detach().T
        P = s.projmatrix.detach().T @ torch.linalg.inv(w2c)
        K = torch.eye(3, dtype=P.dtype)
        K[0] = W / 2 * (P[0, :3] + torch.tensor([0, 0, 1]))
        K[1] = H / 2 * (P[1, :3] + torch.tensor([0, 0, 1]))
        packed = inputs["cov3D_precomp"]
        if packed is None:
            sigma = covariances(inputs["rotations"], inputs["scales"])
        else:
            assert inputs["rotations"] is None and inputs["scales"] is None
            sigma = packed[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].unflatten(-1, (3, 3))
        rgb, alpha, depth = dense_ellipsoids(
            inputs["means3D"],
            sigma,
            inputs["opacities"][:, 0],
            inputs["colors_precomp"],
            Cameras(K[None], w2c[None], W, H),
            tuple(s.bg.tolist()),
        )
        return rgb[0], torch.ones(1), (depth * alpha)[0], alpha[0]


@pytest.mark.parametrize("antialiased", [False, True])
def test_inria_gives_gradients_to_world_to_camera(
    antialiased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = SimpleNamespace(
        GaussianRasterizationSettings=SimpleNamespace, GaussianRasterizer=InriaRasterizer
    )
    monkeypatch.setitem(sys.modules, "diff_gaussian_rasterization", module)
    scene = make_gaussians(60, scenes=1).to(torch.float64)
    rig = make_cameras(2, 20, 14).to(torch.float64)
    back = torch.ones(3, dtype=torch.float64)

    def through(images: tuple[Tensor, ...], w2c: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        loss = sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in images)
        return torch.autograd.grad(loss, w2c)[0]

    ours, theirs = (rig.world_to_camera.clone().requires_grad_() for _ in range(2))
    got = rasterize_inria(scene, Cameras(rig.K[None], ours[None], 20, 14), back, 0.01, antialiased)
    want = dense(scene[0], Cameras(rig.K, theirs, 20, 14), antialiased=antialiased)
    fixed = rasterize_inria(scene, rig[None], back, 0.01, antialiased)
    for a, b, c in zip(got, want, fixed, strict=True):
        torch.testing.assert_close(a[0], b)
        torch.testing.assert_close(c[0], b)
    torch.testing.assert_close(
        through(tuple(x[0] for x in got), ours), through(want, theirs), rtol=1e-6, atol=1e-6
    )
