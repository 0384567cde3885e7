"""Adapters to the CUDA rasterizers; their packages are imported only when tensors on a CUDA device
are rendered."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians, rotation_matrices
from hgm.splat.constants import BLUR
from hgm.splat.projection import project, usable_only

FAR = 1000.0  # enters only the depth that the rasterizer of diff-gaussian-rasterization ignores


def rasterize_gsplat(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Tensor,
    near: float,
    antialiased: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """gsplat 1.5.3 or 1.6, all scenes and cameras in one call; shapes as in
    `hgm.splat.compiled.rasterize`.

    What gsplat does differently from the specification: alpha is clamped at 0.999 (there 0.99), so
    opaque Gaussians hide a little more; bounding boxes end at whole pixels and at most 3.33 sigma,
    which for opacities up to 1 changes no pixel; its exp is the fast one of the GPU, and its
    backward pass adds in no fixed order, so that gradients differ in the last bits from run to run.
    world_to_camera gets gradients, K none.
    """
    import gsplat

    gaussians = usable_only(gaussians)
    width = cameras.width
    height = cameras.height
    # [S, C, H, W, 4], [S, C, H, W, 1]
    images, alpha, _ = gsplat.rasterization(
        means=gaussians.means,
        quats=gaussians.quats,
        scales=gaussians.scales,
        opacities=gaussians.opacities,
        colors=gaussians.colors,
        viewmats=cameras.world_to_camera.contiguous(),
        Ks=cameras.K.contiguous(),
        width=width,
        height=height,
        near_plane=near,
        eps2d=BLUR,
        packed=False,
        backgrounds=background.expand(*cameras.shape, 3).contiguous(),
        render_mode="RGB+ED",
        rasterize_mode="antialiased" if antialiased else "classic",
    )
    rgb, depth = images.movedim(-1, -3).split([3, 1], -3)
    return rgb, alpha.movedim(-1, -3), depth


def rasterize_inria(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Tensor,
    near: float,
    antialiased: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """diff-gaussian-rasterization, the fork that returns depth and alpha; one call per view (its
    API has no batch).

    What it does differently from the specification: Gaussians nearer than 0.2 are not drawn (it has
    no near plane to set, so a larger `near` is applied here); the border at which the Jacobian
    stops moving ignores an off-center principal point; boxes are square and 3 sigma wide, which
    cuts off alphas up to 0.011; its backward pass adds in no fixed order. Its depth is the sum of w
    z; it is divided by alpha here. It gives no gradients to cameras: where world_to_camera needs
    them, means and covariances are turned into the camera's frame here, by torch, and drawn from
    its origin. K gets none. It has no antialiased mode: opacities are compensated here.
    """
    from diff_gaussian_rasterization import GaussianRasterizationSettings, GaussianRasterizer

    gaussians = usable_only(gaussians)
    quats = F.normalize(gaussians.quats, dim=-1)  # the rasterizer takes them as they are
    width = cameras.width
    height = cameras.height
    solid = gaussians.opacities[:, None].expand(*cameras.shape, -1)  # [S, C, N]
    if antialiased:
        compensations = project(gaussians, cameras, near, antialiased=True).compensations
        assert compensations is not None
        solid = solid * compensations
    turned = cameras.world_to_camera if cameras.world_to_camera.requires_grad else None
    if turned is not None:
        still = torch.eye(4, device=turned.device, dtype=turned.dtype).expand_as(turned)
        cameras = Cameras(cameras.K, still, width, height)
    views, projections = _matrices(cameras, near)
    tangents = torch.stack(
        [width / (2 * cameras.K[..., 0, 0]), height / (2 * cameras.K[..., 1, 1])], -1
    ).tolist()
    centers = cameras.centers
    images = []
    for s in range(cameras.shape[0]):
        for c in range(cameras.shape[1]):
            settings = GaussianRasterizationSettings(
                image_height=height,
                image_width=width,
                tanfovx=tangents[s][c][0],
                tanfovy=tangents[s][c][1],
                bg=background,
                scale_modifier=1.0,
                viewmatrix=views[s, c],
                projmatrix=projections[s, c],
                sh_degree=0,
                campos=centers[s, c],
                prefiltered=False,
                debug=False,
            )
            means = gaussians.means[s]
            shape = {"scales": gaussians.scales[s], "rotations": quats[s], "cov3D_precomp": None}
            if turned is not None:
                R = turned[s, c, :3, :3]
                means = means @ R.mT + turned[s, c, :3, 3]
                axes = R @ rotation_matrices(quats[s]) * gaussians.scales[s][:, None]
                i, j = torch.triu_indices(3, 3)
                covariances = (axes @ axes.mT)[:, i, j]  # xx, xy, xz, yy, yz, zz
                shape = {"scales": None, "rotations": None, "cov3D_precomp": covariances}
            z = means @ cameras.world_to_camera[s, c, 2, :3] + cameras.world_to_camera[s, c, 2, 3]
            outputs = GaussianRasterizer(raster_settings=settings)(
                means3D=means,
                means2D=torch.zeros_like(means, requires_grad=True),
                shs=None,
                colors_precomp=gaussians.colors[s],
                opacities=(solid[s, c] * (z >= near))[:, None],
                **shape,
            )
            if len(outputs) != 4:
                raise InputError(
                    "splatting backend: this diff_gaussian_rasterization gives no depth and alpha; "
                    "install github.com/ashawkey/diff-gaussian-rasterization or use gsplat"
                )
            rgb, _, depth, alpha = outputs
            images.append(
                torch.cat([rgb, depth.reshape(1, height, width), alpha.reshape(1, height, width)])
            )
    rgb, depth, alpha = torch.stack(images).unflatten(0, cameras.shape).split([3, 1, 1], 2)
    return rgb, alpha, depth / alpha.clamp(min=1e-10)


def _matrices(cameras: Cameras, near: float) -> tuple[Tensor, Tensor]:
    """World to camera and world to clip space, [S, C, 4, 4] each, transposed (row vectors) as that
    rasterizer wants them."""
    K = cameras.K
    width = cameras.width
    height = cameras.height
    P = torch.zeros_like(cameras.world_to_camera)
    P[..., 0, 0] = 2 * K[..., 0, 0] / width
    P[..., 0, 2] = 2 * K[..., 0, 2] / width - 1
    P[..., 1, 1] = 2 * K[..., 1, 1] / height
    P[..., 1, 2] = 2 * K[..., 1, 2] / height - 1
    P[..., 2, 2] = (FAR + near) / (FAR - near)
    P[..., 2, 3] = -2 * FAR * near / (FAR - near)
    P[..., 3, 2] = 1
    return cameras.world_to_camera.mT.contiguous(), (P @ cameras.world_to_camera).mT.contiguous()
