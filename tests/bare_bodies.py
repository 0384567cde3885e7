"""View folders of the bare body, blue in front and red behind, in the form in which the workflow
renders scans; data to train and refine on."""

from pathlib import Path

import torch
from torch import Tensor

from hgm.body.canonical import canonical
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras, intrinsics, orbit
from hgm.gaussians import Gaussians
from hgm.images.views import save_cameras, save_view
from hgm.splat import render
from hgm.splat.surfels import Surfels, pixel_size


def ten(size: int) -> Cameras:
    """Ten cameras that differ from the rig: rotated, at several heights and distances, with
    principal points off the center. View 7 is in front and view 2 behind."""
    # distance, azimuth, elevation
    eyes = [(2.1 + 0.05 * i, 36.0 * (i - 7) - 9, 10.0 - 2 * i) for i in range(10)]
    w2c = torch.cat([orbit(1, radius=r, start=a, elevation=e).world_to_camera for r, a, e in eyes])
    K = torch.stack([intrinsics(size, focal=1.15 + 0.02 * i) for i in range(10)])
    K[:, 0, 2] += size * (torch.arange(10) - 4.5) / 60
    K[:, 1, 2] -= size / 16
    return Cameras(K, w2c, size, size)


def write_views(
    folder: Path, model: BodyModel, *, seed: int, size: int = 64, rig: Cameras | None = None
) -> BodyParameters:
    """Write views of a body in a random pose, by HGM's rig or the given one, with the fit beside
    the pictures; returns the fit."""
    rig = orbit(size=size) if rig is None else rig
    pose = 0.1 * torch.randn(63, generator=torch.Generator().manual_seed(seed))
    params = model.zeros().replace(body_pose=pose)
    body = canonical(model, params)
    out = render(painted(body.vertices, model, rig), rig)
    save_cameras(folder, rig)
    for i in range(len(rig)):
        save_view(
            folder,
            i,
            rgb=(out.rgb[i].clamp(0, 1).movedim(0, -1) * 255).round().byte().numpy(),
            mask=(out.alpha[i, 0] * 255).round().byte().numpy(),
            depth=out.depth[i, 0].numpy(),
            normal=torch.zeros(size, size, 3).numpy(),
        )
    params.save_npz(
        folder / "smplx.npz",
        vertices=body.vertices.numpy(),
        joints=body.joints.numpy(),
        nu_per_metre=float(body.nu_per_metre),
    )
    return params


def painted(
    vertices: Tensor, model: BodyModel, rig: Cameras, *, turned: Tensor | None = None
) -> Gaussians:
    """The Gaussians of a body [P, 3] that `write_views` renders. turned: other vertices of the same
    body; the Gaussians then move with them and keep their colors."""
    surfels = Surfels.of(vertices, model.faces)
    size = pixel_size(rig)
    discs, moved = (
        surfels.gaussians(x, size) for x in (vertices, vertices if turned is None else turned)
    )
    colors = torch.where(
        discs.means[:, 2:] > 0, torch.tensor([0.2, 0.3, 0.8]), torch.tensor([0.8, 0.2, 0.2])
    )
    return Gaussians(moved.means, moved.opacities, moved.scales, moved.quats, colors)
