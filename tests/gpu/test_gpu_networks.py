"""The networks on CUDA: against the CPU, in bf16, compiled, and the sparse convolutions by
spconv."""

import importlib.util

import pytest
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.metrics.inception import Inception
from hgm.metrics.kid import kid_of_images
from hgm.metrics.lpips import LPIPS, PerceptualLoss
from hgm.nets.icon import IconNormalNet
from hgm.nets.sparse_volume import SparseVolume
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM, HGMOutput

pytestmark = pytest.mark.gpu
TF32 = 2e-3  # mean error: convolutions may run in it


def sample(scene, views: int) -> tuple[Tensor, Cameras, Tensor, Tensor]:
    seen = [0, 6][:views]
    masks = scene.pictures.alpha[seen][None]
    return scene.pictures.rgb[seen][None], scene.rig[seen][None], scene.vertices[None], masks


def packed(out: HGMOutput) -> list[Tensor]:
    return [g.packed() for g in (out.merged, out.unet, out.body) if g is not None]


def relative(a: Tensor, b: Tensor) -> float:
    a = a.detach().float().cpu()
    b = b.detach().float().cpu()
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("views", [1, 2])
def test_cuda_gives_what_the_cpu_gives(scene, views, record_property):
    torch.manual_seed(0)
    net = HGM(HGMConfig.tiny(views), sparse_backend="torch").eval()
    images, cameras, vertices, masks = sample(scene, views)
    with torch.no_grad():
        here = packed(net(images.cpu(), cameras.to("cpu"), vertices.cpu(), masks=masks.cpu()))
        net.cuda()
        there = packed(net(images, cameras, vertices, masks=masks))
        half = packed(net(images, cameras, vertices, masks=masks, precision="bf16"))
    errors = [float((a.cpu() - b).abs().mean()) for a, b in zip(there, here, strict=True)]
    halves = [float((a - b).abs().mean()) for a, b in zip(half, there, strict=True)]
    record_property("cuda_against_cpu", errors)
    record_property("bf16_against_fp32", halves)
    assert all(x.is_cuda and x.dtype == torch.float32 for x in (*there, *half))
    assert max(errors) < TF32 and 0 < max(halves) < 0.02


def test_compiled_networks_give_what_eager_ones_give(real, scene):
    net = HGM(HGMConfig.tiny(2)).eval().cuda()
    *inputs, masks = sample(scene, 2)
    names = list(net.state_dict())
    with torch.no_grad():
        eager = packed(net(*inputs, masks=masks))
        net.compile_networks()
        compiled = packed(net(*inputs, masks=masks))
    torch.compiler.reset()
    assert list(net.state_dict()) == names
    assert all((a - b).abs().mean() < TF32 for a, b in zip(eager, compiled, strict=True))


def volume(scene, device: str, backend: str) -> list[Tensor]:
    """Samples of the sparse volume of two bodies, and the gradients of its features and weights."""
    c = scene.config
    points = torch.stack([scene.vertices, scene.vertices + 0.05])
    at = scene.gaussians(2).means
    features = torch.randn(
        2, points.shape[1], c.token_channels, generator=torch.Generator().manual_seed(0)
    )
    torch.manual_seed(0)
    net = (
        SparseVolume(c.token_channels, c.sparse_levels, c.voxel, c.sparse_momentum, backend)
        .to(device)
        .train()
    )
    features = features.to(device).requires_grad_()
    found = net(features, points.to(device), at.to(device))
    found.square().sum().backward()
    return [found, features.grad, torch.cat([p.grad.flatten() for p in net.parameters()])]


def test_the_sparse_volume_on_cuda_gives_what_it_gives_on_the_cpu(scene, record_property):
    errors = [
        relative(a, b)
        for a, b in zip(volume(scene, "cuda", "torch"), volume(scene, "cpu", "torch"), strict=True)
    ]
    record_property("relative_errors", errors)
    assert max(errors) < 1e-2


def test_spconv_gives_what_torch_gives(real, scene, record_property):
    """Outputs and gradients."""
    if importlib.util.find_spec("spconv") is None:
        pytest.skip("spconv is not installed")
    from spconv.cppconstants import CPU_ONLY_BUILD

    if CPU_ONLY_BUILD:
        pytest.skip(
            "this spconv was built for CPUs only; its CUDA builds are spconv-cu118, spconv-cu126 …"
        )
    errors = [
        relative(a, b)
        for a, b in zip(
            volume(scene, "cuda", "spconv"), volume(scene, "cuda", "torch"), strict=True
        )
    ]
    record_property("relative_errors", errors)
    assert max(errors) < 1e-2


def test_metrics_on_cuda_give_what_they_give_on_the_cpu(device):
    torch.manual_seed(0)
    lpips = LPIPS(resize=32)
    for weight in lpips.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    images = torch.rand(2, 3, 40, 40)
    others = torch.rand(2, 3, 40, 40)
    here = [float(PerceptualLoss(lpips)(images, other)) for other in (others, images, others)]
    loss = PerceptualLoss(lpips.to(device))
    moving = images.to(device).requires_grad_()
    there = [loss(moving, other.to(device)) for other in (others, images, others)]
    sum(there).backward()
    assert [x.item() for x in there] == pytest.approx(here, rel=1e-2, abs=1e-6) and bool(
        moving.grad.isfinite().all()
    )
    inception = Inception().eval()
    far = [kid_of_images(images.to(d), others.to(d), inception.to(d)) for d in ("cpu", device)]
    assert far[1].mean == pytest.approx(far[0].mean, rel=1e-2, abs=1e-4)


def test_icon_s_net_on_cuda_gives_what_it_gives_on_the_cpu(device):
    torch.manual_seed(0)
    net = IconNormalNet(8).eval()
    inputs = torch.rand(3, 1, 3, 64, 64)
    with torch.no_grad():
        here = net(*inputs)
        there = net.to(device)(*inputs.to(device))
    assert all((a - b.cpu()).abs().mean() < TF32 for a, b in zip(here, there, strict=True))
