"""View folders of the bare body, blue in front and red behind, as the workflow renders scans: data to train and refine on."""

from pathlib import Path

import torch

from hgm.body import BodyModel, BodyParameters, canonical
from hgm.cameras import orbit
from hgm.gaussians import Gaussians
from hgm.refine.discs import Patches, pixel_size
from hgm.splat import render
from hgm.views import save_cameras, save_view


def write_views(folder: Path, model: BodyModel, *, seed: int, size: int = 64) -> BodyParameters:
    """Twelve views of a body in a random pose, with its fit beside the pictures; returns the fit."""
    rig = orbit(size=size)
    pose = 0.1 * torch.randn(63, generator=torch.Generator().manual_seed(seed))
    params = model.zeros().replace(body_pose=pose)
    body = canonical(model, params)
    discs = Patches.of(body.vertices, model.faces).discs(body.vertices, pixel_size(rig))
    colours = torch.where(discs.means[:, 2:] > 0, torch.tensor([0.2, 0.3, 0.8]), torch.tensor([0.8, 0.2, 0.2]))
    out = render(Gaussians(discs.means, discs.opacities, discs.scales, discs.quats, colours), rig)
    save_cameras(folder, rig)
    for i in range(12):
        save_view(folder, i, rgb=(out.rgb[i].clamp(0, 1).movedim(0, -1) * 255).round().byte().numpy(),
                  mask=(out.alpha[i, 0] * 255).round().byte().numpy(), depth=out.depth[i, 0].numpy(),
                  normal=torch.zeros(size, size, 3).numpy())
    params.save_npz(folder / "smplx.npz", vertices=body.vertices.numpy(), joints=body.joints.numpy(),
                    nu_per_metre=float(body.nu_per_metre))
    return params
