"""What is measured of one subject: the picture of the back beside its render."""

import pytest
import torch

from hgm.body.files import load_body
from hgm.cameras import orbit
from hgm.images.viewpoints import of_the_rig
from hgm.images.views import load_image, load_views, save_image
from hgm.systems.hgm.bodies import estimate_subject
from hgm.systems.hgm.evaluation import evaluate_subject
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.reconstruction import Reconstructor, write_reconstruction
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import VARIANTS


@pytest.fixture(scope="module")
def subject(rendered, model, tmp_path_factory):
    """A photo reconstructed by networks that learned nothing."""
    folder = tmp_path_factory.mktemp("subjects") / rendered[0].name
    torch.manual_seed(0)
    networks = Reconstructor(
        HGM(HGMConfig.tiny()).eval(), HGM(HGMConfig.tiny(views=2)).eval(), None, size=64
    )
    estimate_subject(rendered[0], model, folder, seed=3, mpjpe_mm=80.0)
    image, mask = (load_image(rendered[0] / f"{kind}_00.png") for kind in ("rgb", "mask"))
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    made = networks.reconstruct(image, mask, vertices, VARIANTS["no_diffusion"], of_the_rig(64))
    write_reconstruction(
        made,
        image,
        folder,
        Reconstruct(size=64, turntable_size=32, turntable_frames=2),
        orbit(size=64),
    )
    return folder


def measured(subject, rendered, model, **more):
    return evaluate_subject(
        subject,
        rendered[0],
        subject,
        None,
        model,
        variant="full",
        standin=True,
        lpips=None,
        seed=1,
        surface_samples=100,
        **more,
    )


def test_the_back_view_is_the_picture_and_the_render_stands_beside_it(subject, rendered, model):
    before = measured(subject, rendered, model)
    # a picture of the back without a fault
    save_image(subject / "back.png", load_views(rendered[0]).rgb[6])
    after = measured(subject, rendered, model)
    assert (
        after["back"]["standard"]["ssim"] == pytest.approx(1.0)
        and after["back"]["standard"]["psnr"] is None
    )
    assert before["back"]["standard"]["ssim"] < 0.95
    assert after["back_render"] == before["back_render"] and after["views"] == before["views"]
    assert after["back_render"]["standard"]["ssim"] < 0.95


def test_simple_baselines_are_measured_where_they_are_asked_for(subject, rendered, model):
    with_them, without = (
        measured(subject, rendered, model, simple=simple) for simple in (True, False)
    )
    assert set(with_them.pop("baselines")) == {"copy_nearest", "coarse", "textured_body"}
    assert without == with_them
