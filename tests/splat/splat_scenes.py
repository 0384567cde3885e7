"""Scenes for the splatting tests, and a brute-force renderer that evaluates every Gaussian at every
pixel by the formulas of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from hgm.cameras import Cameras, intrinsics, look_at
from hgm.gaussians import Gaussians

NAMES = ("means", "opacities", "scales", "quats", "colors")


def make_gaussians(
    count: int, seed: int = 0, scenes: int | None = None, scale: float = 0.05
) -> Gaussians:
    """A ball of Gaussians with a radius of about 0.6, float32, with a leading dimension `scenes` if
    given."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count,) if scenes is None else (scenes, count)

    def normal(*last: int) -> Tensor:
        return torch.randn(*shape, *last, generator=generator)

    return Gaussians(
        0.3 * normal(3),
        torch.sigmoid(0.5 + 1.5 * normal()),
        scale * (0.4 * normal(3)).exp(),
        normal(4),
        torch.rand(*shape, 3, generator=generator),
    )


def make_cameras(count: int, width: int = 48, height: int = 48) -> Cameras:
    """Cameras [count] around the ball, with different fx and fy and the principal point off the
    center."""
    angle = torch.arange(count) * 0.9 + 0.2
    eyes = 1.5 * torch.stack([angle.sin(), 0.3 * angle.cos(), angle.cos()], -1)
    K = intrinsics(width, height).expand(count, 3, 3).clone()
    K[:, 1, 1] *= 1.15
    K[:, 0, 2] += 3.3
    K[:, 1, 2] -= 2.7
    return Cameras(K, look_at(eyes, torch.zeros(3)), width, height)


def leaves(gaussians: Gaussians, dtype: torch.dtype = torch.float32) -> Gaussians:
    """A copy whose tensors are leaves that require gradients."""
    return Gaussians(
        *(getattr(gaussians, n).detach().to(dtype, copy=True).requires_grad_() for n in NAMES)
    )


def gradients(images: tuple[Tensor, ...], gaussians: Gaussians, seed: int = 7) -> dict[str, Tensor]:
    """Gradients of a random linear function of all images."""
    generator = torch.Generator().manual_seed(seed)
    loss = sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in images)
    return dict(
        zip(NAMES, torch.autograd.grad(loss, [getattr(gaussians, n) for n in NAMES]), strict=True)
    )


def dense(
    gaussians: Gaussians,
    cameras: Cameras,
    background: tuple[float, ...] = (1.0, 1.0, 1.0),
    antialiased: bool = False,
) -> tuple[Tensor, ...]:
    """Gaussians [N], cameras [C] -> rgb [C, 3, H, W], alpha and depth [C, 1, H, W], in the dtype of
    the Gaussians."""
    return dense_ellipsoids(
        gaussians.means,
        covariances(gaussians.quats, gaussians.scales),
        gaussians.opacities,
        gaussians.colors,
        cameras.to(gaussians.means.dtype),
        background,
        antialiased,
    )


def covariances(quats: Tensor, scales: Tensor) -> Tensor:
    """Covariances [N, 3, 3] of Gaussians in the world."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    cross = torch.stack(
        [
            torch.stack([0 * w, -z, y], -1),
            torch.stack([z, 0 * w, -x], -1),
            torch.stack([-y, x, 0 * w], -1),
        ],
        -2,
    )
    # Rodrigues' formula
    R = torch.eye(3, dtype=w.dtype) + 2 * w[:, None, None] * cross + 2 * cross @ cross
    return R @ torch.diag_embed(scales**2) @ R.mT


def dense_ellipsoids(
    means: Tensor,
    sigma: Tensor,
    opacities: Tensor,
    colors: Tensor,
    cameras: Cameras,
    background: tuple[float, ...],
    antialiased: bool = False,
) -> tuple[Tensor, ...]:
    """As `dense`, from covariances [N, 3, 3]."""
    W = cameras.width
    H = cameras.height
    py, px = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    pixels = torch.stack([px, py], -1).reshape(-1, 1, 2) + 0.5
    images = []
    for K, w2c in zip(cameras.K, cameras.world_to_camera, strict=True):
        point = means @ w2c[:3, :3].T + w2c[:3, 3]
        depth = point[:, 2]
        order = torch.argsort(depth.detach(), stable=True)
        order = order[(depth[order] >= 0.01) & (opacities[order] >= 1 / 255)]
        point = point[order]
        depth = depth[order]
        focal = K.diagonal()[:2]
        center = K[:2, 2]
        size = torch.tensor([W, H], dtype=K.dtype)
        tangent = point[:, :2] / depth[:, None]
        bounded = torch.minimum(
            torch.maximum(tangent, (-center - 0.15 * size) / focal),
            (size - center + 0.15 * size) / focal,
        )
        J = torch.cat(
            [torch.diag_embed(focal.expand(len(order), 2)), -(focal * bounded)[:, :, None]], -1
        )
        JR = J / depth[:, None, None] @ w2c[:3, :3]
        sharp = JR @ sigma[order] @ JR.mT
        covariance = sharp + 0.3 * torch.eye(2, dtype=K.dtype)
        opacity = opacities[order]
        if antialiased:
            ratio = torch.linalg.det(sharp) / torch.linalg.det(covariance)
            opacity = opacity * ratio.clamp(min=0).sqrt()
        delta = pixels - (focal * tangent + center)  # [P, N, 2]
        distance2 = torch.einsum("pni,nij,pnj->pn", delta, torch.linalg.inv(covariance), delta)
        alpha = (opacity * torch.exp(-distance2 / 2)).clamp(max=0.99)
        alpha = torch.where(alpha < 1 / 255, 0.0, alpha)
        passed = torch.cumprod(1 - alpha, 1)
        # transmittance only decreases, so this ends the list of Gaussians at the first such one
        alpha = torch.where(passed <= 1e-4, 0.0, alpha)
        passed = torch.cumprod(1 - alpha, 1)
        weight = alpha * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], 1)
        total = weight.sum(1, keepdim=True)
        rgb = weight @ colors[order] + (1 - total) * torch.tensor(background, dtype=K.dtype)
        z = torch.where(
            total > 0, weight @ depth[:, None] / torch.where(total > 0, total, 1.0), 0.0
        )
        images.append(torch.cat([rgb, total, z], 1).T.reshape(5, H, W))
    rgb, total, z = torch.stack(images).split([3, 1, 1], 1)
    return rgb, total, z
