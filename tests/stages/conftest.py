import pytest
import torch

from hgm.body import BodyModel, BodyParameters, canonical
from hgm.cameras import orbit
from hgm.gaussians import Gaussians
from hgm.refine.discs import Patches, pixel_size
from hgm.splat import render
from hgm.standin import core
from hgm.views import save_cameras, save_view


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture(scope="session")
def rendered(model, tmp_path_factory):
    """Two view folders of the bare body, blue in front and red behind, with its fit beside the pictures."""
    folders, rig = [], orbit(size=64)
    for seed in range(2):
        pose = 0.1 * torch.randn(63, generator=torch.Generator().manual_seed(seed))
        params: BodyParameters = model.zeros().replace(body_pose=pose)
        body = canonical(model, params)
        discs = Patches.of(body.vertices, model.faces).discs(body.vertices, pixel_size(rig))
        colours = torch.where(discs.means[:, 2:] > 0, torch.tensor([0.2, 0.3, 0.8]), torch.tensor([0.8, 0.2, 0.2]))
        out = render(Gaussians(discs.means, discs.opacities, discs.scales, discs.quats, colours), rig)
        folder = tmp_path_factory.mktemp("stages") / "train000" / f"{seed:04d}"
        save_cameras(folder, rig)
        for i in range(12):
            save_view(folder, i, rgb=(out.rgb[i].clamp(0, 1).movedim(0, -1) * 255).round().byte().numpy(),
                      mask=(out.alpha[i, 0] * 255).round().byte().numpy(), depth=out.depth[i, 0].numpy(),
                      normal=torch.zeros(64, 64, 3).numpy())
        params.save_npz(folder / "smplx.npz", vertices=body.vertices.numpy(), joints=body.joints.numpy(),
                        nu_per_metre=float(body.nu_per_metre))
        folders.append(folder)
    return folders
