"""From one photo to Gaussians, bodies and numbers."""

import numpy as np
import pytest
import torch
import trimesh

from hgm.body.files import load_body
from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import of_the_rig
from hgm.images.views import load_image, load_views
from hgm.mesh.io import save_mesh
from hgm.metrics.surfaces import SurfaceMesh
from hgm.splat import render
from hgm.systems.hgm.bodies import (
    estimate_subject,
    given_subject,
    joint_errors,
    load_estimate,
    refine_subject,
)
from hgm.systems.hgm.evaluation import baselines, geometry, image_metrics, renders, textured_body
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.surfaces import PERSON
from hgm.systems.hgm.reconstruction import BackRenderer, Reconstructor, write_reconstruction
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import VARIANTS

RIG = of_the_rig(64)


@pytest.fixture(scope="module")
def reconstructor() -> Reconstructor:
    torch.manual_seed(0)
    return Reconstructor(
        HGM(HGMConfig.tiny()).eval(), HGM(HGMConfig.tiny(views=2)).eval(), None, size=64
    )


def test_an_estimate_has_the_error_it_was_asked_for_and_says_what_it_is(rendered, model, tmp_path):
    estimate_subject(rendered[0], model, tmp_path, seed=3, mpjpe_mm=80.0)
    body = load_body(tmp_path / "smplx.npz")
    truth = load_body(rendered[0] / "smplx.npz")
    assert joint_errors(body, truth)["mpjpe_mm"] == pytest.approx(80.0, abs=0.1)
    assert "DISTURBED" in str(body["source"]) and joint_errors(truth, truth)["mpjpe_mm"] == 0


def test_refinement_against_the_true_silhouettes_comes_closer(rendered, model, tmp_path):
    """The coarse model is replaced by the truth, so what is tested is the stage's own plumbing."""
    estimate_subject(rendered[0], model, tmp_path / "first", seed=3, mpjpe_mm=80.0)
    truth = load_views(rendered[0])
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    true = textured_body(vertices, model.faces, truth.rgb[0], orbit(size=64)[0])

    class Oracle(Reconstructor):
        def __init__(self) -> None:
            self.size = 64
            self.device = "cpu"

        def coarse_gaussians(self, image, mask, vertices, camera):
            return true

    settings = Refine(iterations=20, every=10, sizes=[64], cell=0.012)
    refine_subject(
        load_estimate(tmp_path / "first/smplx.npz"),
        truth.rgb[0],
        truth.mask[0],
        RIG.cameras[0],
        model,
        Oracle(),
        tmp_path,
        settings,
    )
    errors = [
        joint_errors(load_body(p), load_body(rendered[0] / "smplx.npz"))["mpjpe_mm"]
        for p in (tmp_path / "first/smplx.npz", tmp_path / "smplx.npz")
    ]
    assert errors[1] < 0.75 * errors[0]
    assert str(load_body(tmp_path / "smplx.npz")["source"]).startswith(
        "refined from: TRUE FIT DISTURBED"
    )
    assert (tmp_path / "refinement.tsv").read_text().count("\n") == 21


def test_a_given_fit_is_placed_by_the_mask(rendered, model, tmp_path):
    given_subject(rendered[0].parent, rendered[0], model, tmp_path)
    found, truth = (
        load_body(p)["vertices"] for p in (tmp_path / "smplx.npz", rendered[0] / "smplx.npz")
    )
    assert np.abs(found - truth).max() < 0.05


def test_a_broken_body_is_one_clear_error(tmp_path):
    (tmp_path / "smplx.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"smplx\.npz: not a readable body"):
        load_body(tmp_path / "smplx.npz")


def seen(folder):
    """The front view of a view folder and its mask."""
    return (load_image(folder / name) for name in ("rgb_00.png", "mask_00.png"))


def test_without_vertices_the_image_branch_answers(rendered, reconstructor):
    image, mask = seen(rendered[0])
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    with torch.no_grad():
        output = reconstructor.coarse(
            image[None, None], RIG.cameras[[0]][None], vertices[None], masks=mask[None, None]
        )
    for body, expected in ((None, output.unet), (vertices, output.merged)):
        found = reconstructor.coarse_gaussians(image, mask, body, RIG.cameras[0])
        assert torch.allclose(found.packed(), expected[0].packed(), atol=1e-5)


def test_a_photo_becomes_files(rendered, reconstructor, tmp_path):
    image, mask = seen(rendered[0])
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    one = reconstructor.reconstruct(image, mask, vertices, VARIANTS["one_view"], RIG)
    two = reconstructor.reconstruct(image, mask, vertices, VARIANTS["no_diffusion"], RIG)
    person = int((mask > PERSON).sum())
    assert torch.equal(one.gaussians.packed(), one.coarse.packed())
    # two surfaces of each pixel of the person, or one in each view
    assert len(one.gaussians) == 2 * person
    assert 1.5 * person < len(two.gaussians) < 2.5 * person
    assert torch.equal(two.back, two.back_coarse) and set(two.seconds) == {
        "coarse",
        "back_view",
        "fusion",
    }
    write_reconstruction(
        two,
        image,
        tmp_path,
        Reconstruct(size=32, turntable_size=32, turntable_frames=4),
        RIG.cameras,
    )
    assert (
        load_image(tmp_path / "novel_11.png").shape == (3, 32, 32)
        and (tmp_path / "turntable.mp4").stat().st_size > 500
    )
    assert len(Gaussians.load_ply(tmp_path / "gaussians.ply")) <= len(two.gaussians)


def test_a_pair_is_seen_from_behind(rendered, reconstructor):
    behind, covered = BackRenderer(
        reconstructor.coarse, size=64, device="cpu", backend="auto", precision="fp32"
    ).render(rendered[0], RIG)
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    coarse = reconstructor.coarse_gaussians(*seen(rendered[0]), vertices, RIG.cameras[0])
    expected = render(coarse, RIG.cameras[[6]])
    assert torch.allclose(behind, expected.rgb[0].clamp(0, 1), atol=1e-5)
    assert torch.allclose(covered, expected.alpha[0], atol=1e-5)


def test_baselines_and_metrics(rendered, model, tmp_path):
    truth = load_views(rendered[0])
    body = load_body(rendered[0] / "smplx.npz")
    vertices = torch.from_numpy(body["vertices"])
    views, back = image_metrics(truth.rgb, truth, RIG, None)
    assert (
        views["standard"]["psnr"] is None
        and views["standard"]["ssim"] == pytest.approx(1.0)
        and back["standard"]["lpips"] is None
    )
    textured = textured_body(vertices, model.faces, truth.rgb[0], orbit(size=64)[0])
    front = renders(textured, RIG.cameras, "auto")[0]
    assert (front - truth.rgb[0]).square().mean() < 0.2 * (1 - truth.rgb[0]).square().mean()
    textured.save_ply(tmp_path / "coarse.ply")
    found = baselines(tmp_path, truth, RIG, body, model.faces, None, "auto")
    assert set(found) == {"copy_nearest", "coarse", "textured_body"}
    assert found["coarse"]["views"]["standard"]["psnr"] == pytest.approx(
        found["textured_body"]["views"]["standard"]["psnr"], abs=0.3
    )
    assert (
        found["copy_nearest"]["back"]["standard"]["psnr"]
        < found["copy_nearest"]["views"]["standard"]["psnr"]
    )


def test_geometry_of_a_shifted_ball_and_of_none(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    truth = SurfaceMesh(np.asarray(ball.vertices), np.asarray(ball.faces))
    ball.visual.vertex_colors = np.full((len(ball.vertices), 4), 200, np.uint8)
    save_mesh(tmp_path / "mesh.glb", ball)
    found = geometry(tmp_path / "mesh.glb", truth, 2000, 0)
    assert (
        found["chamfer_cm"] < 0.05
        and found["normal_consistency"] > 0.99
        and found["chamfer_cm_icp"] < 0.05
    )
    assert set(geometry(tmp_path / "none.glb", truth, 2000, 0).values()) == {None}
