"""Splatting of what goes wrong in practice: nothing to draw, broken numbers, extreme shapes,
misuse."""

import math

import pytest
import torch
from splat_scenes import NAMES, dense, gradients, leaves, make_cameras, make_gaussians

from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.splat import render

CPU = ["numba", "torch"]


def changed(gaussians: Gaussians, **values: torch.Tensor) -> Gaussians:
    return Gaussians(*(values.get(n, getattr(gaussians, n)) for n in NAMES))


@pytest.mark.parametrize("backend", CPU)
def test_no_gaussians_no_cameras_no_scenes(backend: str) -> None:
    empty = leaves(make_gaussians(0))
    cameras = make_cameras(2, 20, 10)
    got = render(empty, cameras, backend=backend, background=(0.1, 0.2, 0.3))
    torch.testing.assert_close(
        got.rgb, torch.tensor([0.1, 0.2, 0.3])[:, None, None].expand(2, 3, 10, 20)
    )
    assert not got.alpha.any() and not got.depth.any()
    assert gradients(got, empty)["means"].shape == (0, 3)
    assert render(make_gaussians(5), cameras[:0], backend=backend).rgb.shape == (0, 3, 10, 20)
    assert render(make_gaussians(5, scenes=0), cameras, backend=backend).depth.shape == (
        0,
        2,
        1,
        10,
        20,
    )


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("where", ["behind", "outside", "transparent"])
def test_nothing_visible(backend: str, where: str) -> None:
    gaussians = make_gaussians(30, scale=0.01)
    if where == "transparent":
        gaussians = changed(gaussians, opacities=torch.zeros(30))
    else:
        shift = (
            torch.tensor([0.0, 0.0, 9.0]) if where == "behind" else torch.tensor([30.0, 0.0, 0.0])
        )
        gaussians = changed(gaussians, means=gaussians.means + shift)
    gaussians = leaves(gaussians)
    got = render(gaussians, orbit(1, size=24), backend=backend)
    assert (
        torch.equal(got.rgb, torch.ones_like(got.rgb))
        and not got.alpha.any()
        and not got.depth.any()
    )
    assert all(not g.any() for g in gradients(got, gaussians).values())


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("name", NAMES)
def test_broken_gaussians_are_left_out(backend: str, name: str, value: float) -> None:
    good = make_gaussians(40)
    cameras = make_cameras(1, 24, 24)
    whole = getattr(good, name).clone()
    whole[7] = value
    broken = leaves(changed(good, **{name: whole}))
    keep = torch.arange(40) != 7
    others = leaves(good[keep])
    got = render(broken, cameras, backend=backend)
    want = render(others, cameras, backend=backend)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    a = gradients(got, broken)
    b = gradients(want, others)
    for key in NAMES:
        assert torch.isfinite(a[key]).all() and not a[key][7].any()
        torch.testing.assert_close(a[key][keep], b[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backend", CPU)
def test_zero_quaternion_is_left_out_and_length_does_not_matter(backend: str) -> None:
    good = make_gaussians(20)
    cameras = make_cameras(1, 24, 24)
    quats = good.quats.clone()
    quats[3] = 0
    quats[5] *= 100
    scene = leaves(changed(good, quats=quats))
    got = render(scene, cameras, backend=backend)
    want = render(good[torch.arange(20) != 3], cameras, backend=backend)
    torch.testing.assert_close(got.rgb, want.rgb, rtol=0, atol=1e-5)
    assert torch.isfinite(gradients(got, scene)["quats"]).all()


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize(
    "scales",
    [(3.0, 3.0, 3.0), (1e-6, 1e-6, 1e-6), (0.5, 1e-5, 1e-5), (0.6, 0.6, 1e-6), (0.0, 0.0, 0.0)],
    ids=["giant", "point", "needle", "sheet", "zero"],
)
def test_extreme_shapes(backend: str, scales: tuple[float, float, float]) -> None:
    gaussians = make_gaussians(60)
    cameras = make_cameras(2, 30, 21)
    gaussians = changed(
        gaussians, scales=torch.tensor(scales) * torch.linspace(1, 1.3, 60)[:, None]
    )
    ours = leaves(gaussians)
    theirs = leaves(gaussians, torch.float64)
    got = render(ours, cameras, backend=backend)
    want = dense(theirs, cameras)
    for a, b in zip(got, want, strict=True):
        assert ((a - b).abs() > 1e-3).double().mean() < 5e-3
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert torch.isfinite(a[name]).all()
        assert (a[name] - b[name]).norm() <= 5e-3 * b[name].norm() + 1e-3, name


@pytest.mark.parametrize("backend", CPU)
def test_camera_inside_the_cloud(backend: str) -> None:
    """Gaussians all around, some just in front of the near plane, where footprints are enormous."""
    w2c = torch.eye(4)[None]
    cameras = Cameras(make_cameras(1, 26, 22).K, w2c, 26, 22)
    gaussians = make_gaussians(300, scale=0.03)
    ours = leaves(gaussians)
    theirs = leaves(gaussians, torch.float64)
    got = render(ours, cameras, backend=backend)
    want = dense(theirs, cameras)
    for a, b in zip(got, want, strict=True):
        assert ((a - b).abs() > 1e-3).double().mean() < 5e-3
    a = gradients(got, ours)
    b = gradients(want, theirs)
    for name in NAMES:
        assert (a[name] - b[name]).norm() < 1e-2 * b[name].norm(), name


@pytest.mark.parametrize("backend", CPU)
def test_near_plane(backend: str) -> None:
    gaussians = changed(
        make_gaussians(2),
        means=torch.tensor([[0.0, 0, 1.4], [0.0, 0, 0.5]]),
        opacities=torch.ones(2) * 0.9,
    )
    cameras = orbit(1, size=16)  # planar depths 0.1 and 1.0
    both, far, none = (
        render(gaussians, cameras, backend=backend, near=near) for near in (0.01, 0.2, 1.1)
    )
    assert both.depth[0, 0, 8, 8] < 0.5
    assert far.depth[0, 0, 8, 8].item() == pytest.approx(1.0, abs=1e-5)
    assert not none.alpha.any()


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("used", [0, 1, 2])
def test_one_output_is_enough(backend: str, used: int) -> None:
    ours = leaves(make_gaussians(80))
    cameras = make_cameras(1, 24, 24)
    theirs = leaves(ours, torch.float64)
    a = torch.autograd.grad(
        render(ours, cameras, backend=backend)[used].square().sum(), ours.means
    )[0]
    b = torch.autograd.grad(dense(theirs, cameras)[used].square().sum(), theirs.means)[0]
    assert (a - b).norm() < 1e-3 * b.norm()


@pytest.mark.parametrize("backend", CPU)
def test_reduced_precision_around_it_changes_nothing(backend: str) -> None:
    gaussians = make_gaussians(50)
    cameras = make_cameras(1, 24, 24)
    plain = render(gaussians, cameras, backend=backend)
    with torch.autocast("cpu", torch.bfloat16):
        inside = render(gaussians, cameras, backend=backend)
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))
    half = leaves(gaussians, torch.bfloat16)
    images = render(half, cameras, backend=backend)
    assert images.rgb.dtype == torch.float32
    assert gradients(images, half)["scales"].dtype == torch.bfloat16


def test_changing_a_parameter_before_backward_is_noticed() -> None:
    scene = leaves(make_gaussians(10))
    images = render(scene, make_cameras(1, 16, 16), backend="numba")
    with torch.no_grad():
        scene.scales.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        images.rgb.sum().backward()


def test_misuse_is_answered_in_one_line() -> None:
    gaussians = make_gaussians(3)
    cameras = make_cameras(2, 8, 8)
    with pytest.raises(ValueError, match=r"\[\.\.\., C\]"):
        render(gaussians, cameras[0])
    with pytest.raises(ValueError, match="three numbers"):
        render(gaussians, cameras, background=(1.0,))
    with pytest.raises(ValueError, match="near"):
        render(gaussians, cameras, near=0.0)
    with pytest.raises(ValueError, match="shape mismatch"):
        render(
            make_gaussians(3, scenes=3),
            Cameras(cameras.K[:, None], cameras.world_to_camera[:, None], 8, 8),
        )
