"""Splatting on CUDA against the CPU, pictures and gradients, and what is not drawn."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import MissingDependency
from hgm.gaussians import Gaussians
from hgm.splat import render, resolve_backend

pytestmark = pytest.mark.gpu
NAMES = ("means", "opacities", "scales", "quats", "colors")


def leaves(gaussians: Gaussians, device: str) -> Gaussians:
    return Gaussians(
        *(getattr(gaussians, n).detach().to(device, copy=True).requires_grad_() for n in NAMES)
    )


def gradients(images: tuple[Tensor, ...], gaussians: Gaussians) -> list[Tensor]:
    """Of a random linear function of all images."""
    generator = torch.Generator().manual_seed(7)
    loss = torch.stack(
        [(x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in images]
    ).sum()
    return [x.cpu() for x in torch.autograd.grad(loss, [getattr(gaussians, n) for n in NAMES])]


@pytest.mark.parametrize("backend", ["auto", "gsplat", "diff-gaussian-rasterization", "torch"])
def test_cuda_gives_the_pictures_and_gradients_of_the_cpu(scene, backend, record_property, request):
    if request.config.getoption("pretended_cuda") and backend != "torch":
        pytest.skip("needs a real CUDA device")
    try:
        name = resolve_backend(backend, "cuda")
    except MissingDependency as error:
        pytest.skip(str(error))
    record_property("backend", name)
    sets = 1 if name == "torch" else 3
    # opacities below every clamp; opaque Gaussians are clamped at 0.999 by gsplat and 0.99
    # elsewhere
    gaussians = scene.gaussians(sets, opacity=0.5)
    rig = scene.rig[[0, 3]]
    here = leaves(gaussians, "cpu")
    there = leaves(gaussians, "cuda")
    want = render(here, rig.to("cpu"))
    got = render(there, rig, backend=name)
    # Inria's boxes cut faint tails off
    limit = 5e-3 if name == "diff-gaussian-rasterization" else 2e-5
    for kind, a, b in zip(got._fields, got, want, strict=True):
        error = (a.detach().cpu() - b.detach()).abs()
        far = float((error > 0.02).float().mean())
        record_property(
            kind, {"median": float(error.median()), "max": float(error.max()), "over_0.02": far}
        )
        assert a.is_cuda and error.median() < limit and far < 5e-3, kind
    cosines = {
        n: float(F.cosine_similarity(a.flatten(), b.flatten(), 0))
        for n, a, b in zip(NAMES, gradients(got, there), gradients(want, here), strict=True)
    }
    record_property("gradients_cosine", cosines)
    assert min(cosines.values()) > 0.99, cosines


def test_cameras_and_the_antialiased_mode_are_those_of_the_cpu(scene):
    gaussians = scene.gaussians(1, opacity=0.5)[0]
    pushed = []
    pictures = []
    for device in ("cpu", "cuda"):
        rig = scene.rig[[0, 3]].to(device)
        w2c = rig.world_to_camera.clone().requires_grad_()
        cameras = Cameras(rig.K, w2c, rig.width, rig.height)
        rgb = render(gaussians.to(device), cameras, antialiased=True).rgb
        generator = torch.Generator().manual_seed(7)
        loss = (rgb * torch.randn(rgb.shape, generator=generator).to(rgb)).sum()
        pushed.append(torch.autograd.grad(loss, w2c)[0].cpu())
        pictures.append(rgb.detach().cpu())
    assert (pictures[0] - pictures[1]).abs().median() < 5e-3
    assert F.cosine_similarity(pushed[0].flatten(), pushed[1].flatten(), 0) > 0.99


def test_gaussians_that_are_not_finite_are_not_drawn(scene):
    gaussians = scene.gaussians()[0]
    broken = torch.arange(len(gaussians), device="cuda") % 7 == 0
    means = torch.where(broken[:, None], torch.nan, gaussians.means)
    some = leaves(Gaussians(means, *(getattr(gaussians, n) for n in NAMES[1:])), "cuda")
    out = render(some, scene.rig[[0]])
    out.rgb.sum().backward()
    assert bool(out.rgb.isfinite().all()) and bool(some.scales.grad.isfinite().all())
    kept = render(gaussians[~broken], scene.rig[[0]])
    assert (out.rgb - kept.rgb).abs().max() < 1e-4


def test_no_gaussians_are_the_background(scene):
    nothing = scene.gaussians()[0][:0]
    out = render(nothing, scene.rig[[0]])
    assert bool((out.rgb == 1).all()) and bool((out.alpha == 0).all())
