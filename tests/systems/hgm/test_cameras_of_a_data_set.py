"""The stages on views that are not the rig's: ten cameras, turned and at several heights, principal
points off the middle.

The person is known Gaussians, so what a stage does with the data set's cameras is held against
renders of them by these cameras.
"""

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bare_bodies import painted, ten, write_views
from scipy.spatial.transform import Rotation
from torch import Tensor

from hgm.body.estimates import DetectedBody
from hgm.body.files import load_body, parameters
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras, intrinsics, look_at, orbit
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import (
    load_cameras,
    load_image,
    load_views,
    save_cameras,
    save_image,
    view_path,
)
from hgm.mesh.settings import Mesh
from hgm.splat import render
from hgm.systems.hgm.back_view.images import degrade
from hgm.systems.hgm.back_view.pairs import Pairs, make_pairs
from hgm.systems.hgm.baselines import measure_baseline
from hgm.systems.hgm.bodies import given_subject, refine_subject
from hgm.systems.hgm.data import batch_of, draw
from hgm.systems.hgm.estimate import BodyEstimate, estimate_in_views, place
from hgm.systems.hgm.estimators import _front_view
from hgm.systems.hgm.evaluation import evaluate_subject
from hgm.systems.hgm.meshing import mesh_subject
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.normals import train_normals
from hgm.systems.hgm.reconstruction import BackRenderer, Reconstructor, write_reconstruction
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.sections.normals import Normals
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.systems.hgm.training import Training, train_hgm
from hgm.systems.hgm.variants import VARIANTS
from hgm.train.scan_store import ScanStore

SIZE = 64
FRONT = 7
BACK = 2  # of `ten`
FLIP = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def folder(model: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ten") / "test000" / "0007"
    write_views(place, model, seed=7, rig=ten(SIZE))
    return place


@pytest.fixture(scope="module")
def person(folder: Path, model: BodyModel) -> Gaussians:
    return painted(body_of(folder), model, ten(SIZE))


def body_of(folder: Path) -> Tensor:
    return torch.from_numpy(load_body(folder / "smplx.npz")["vertices"])


def close(a: Tensor, b: Tensor) -> bool:
    """Equal pictures, but for 8 bits."""
    return a.shape == b.shape and float((a - b).abs().max()) <= 0.5 / 255 + 1e-4


class Known:
    """Networks that know the person, and remember what they were shown."""

    def __init__(self, person: Gaussians) -> None:
        self.person = person
        self.config = SimpleNamespace(use_body=True)
        self.asked: list[tuple[Tensor, Cameras]] = []

    def __call__(
        self,
        images: Tensor,
        cameras: Cameras,
        vertices: Tensor | None,
        *,
        masks: Tensor,
        precision: str,
    ) -> SimpleNamespace:
        assert masks.shape == images[:, :, :1].shape
        self.asked.append((images[0], cameras[0]))
        batch = Gaussians.from_packed(self.person.packed()[None])
        return SimpleNamespace(merged=batch, unet=batch, body=batch)


@pytest.mark.parametrize("turn", [False, True])
def test_a_training_sample_is_what_its_cameras_see(
    folder: Path, model: BodyModel, turn: bool
) -> None:
    store = ScanStore([folder])
    rig = ten(SIZE)
    vertices = body_of(folder)
    section = Fusion(supervised=4, turn=turn)
    fronts = set()
    for seed in range(6 if turn else 2):
        generator = torch.Generator().manual_seed(seed)
        batch, _ = draw(store, section, 0, 0, generator, inputs=("front", "back"), size=SIZE)
        moved = painted(vertices, model, rig, turned=batch.vertices[0])
        for rgb, cameras in (
            (batch.images, batch.cameras),
            (batch.target_rgb, batch.target_cameras),
        ):
            assert (render(moved, cameras[0]).rgb.clamp(0, 1) - rgb[0]).abs().mean() < 2e-3
        inputs = [
            next(i for i in range(10) if torch.equal(store.view(0, i)[0].float() / 255, image))
            for image in batch.images[0]
        ]
        assert abs(inputs[0] - inputs[1]) == 5  # five cameras apart: the view most opposite
        straight = torch.atan2(*batch.cameras[0, 0].centers[[0, 2]])
        assert straight.item() == pytest.approx(
            torch.atan2(*rig[FRONT].centers[[0, 2]]).item(), abs=1e-5
        )
        fronts.add(inputs[0])
    assert len(fronts) > 2 if turn else fronts == {FRONT}
    if not turn:
        assert torch.equal(batch.cameras.K[0], rig.K[[FRONT, BACK]]) and torch.equal(
            batch.vertices[0], vertices
        )


def test_all_views_are_supervised_where_there_are_fewer(
    folder: Path,
    rendered: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten views and twelve in one batch; ten are what both have."""
    caplog.set_level("INFO")
    batch = batch_of(ScanStore([folder]), [0], inputs=("front",), supervised=12, size=32)
    assert (
        batch.target_rgb.shape[1] == 10
        and len({tuple(c.tolist()) for c in batch.target_cameras.centers[0]}) == 10
    )
    training = Training(
        Fusion(steps=1, lr=1e-3, accumulate=1, batch=2, supervised=12, validate_every=1),
        [folder, rendered[0]],
        [folder],
        size=SIZE,
        network=Network(precision="fp32"),
        loss=Loss(),
    )
    train_hgm(HGMConfig.tiny(views=2), training, tmp_path / "out", tmp_path / "state")
    shown = load_image(next((tmp_path / "out" / "validation").glob("*.png")))
    assert shown.shape == (3, 2 * SIZE, 4 * SIZE)
    assert "fusion: each step is compared with 10 views, not 12: a scan has no more" in caplog.text
    caplog.clear()
    # watched is one with ten, which takes none from those trained on
    alone = dataclasses.replace(training, scans=[rendered[0]])
    train_hgm(HGMConfig.tiny(views=2), alone, tmp_path / "alone", tmp_path / "state_alone")
    assert "compared with" not in caplog.text


def test_views_without_a_back_are_no_training_data(folder: Path, tmp_path: Path) -> None:
    save_cameras(tmp_path / "0001", ten(SIZE)[[6, 7, 8]])
    training = Training(
        Coarse(), [folder, tmp_path / "0001"], [], size=SIZE, network=Network(), loss=Loss()
    )
    with pytest.raises(InputError, match="0001: no view of the back"):
        train_hgm(HGMConfig.tiny(), training, tmp_path / "out", tmp_path / "state")


def test_pairs_are_seen_where_the_true_back_is(
    folder: Path, person: Gaussians, tmp_path: Path
) -> None:
    coarse = Known(person)
    renderer = BackRenderer(coarse, size=SIZE, device="cpu", backend="auto", precision="fp32")
    listing = make_pairs({"0007": folder}, tmp_path, renderer.render, factors=(1,))
    images, cameras = coarse.asked[0]
    assert torch.equal(images[0], load_image(view_path(folder, "rgb", FRONT)))
    assert torch.equal(cameras.K, ten(SIZE).K[[FRONT]]) and torch.equal(
        cameras.world_to_camera, ten(SIZE).world_to_camera[[FRONT]]
    )
    pairs = Pairs.open(tmp_path)
    assert listing["pairs"][0]["view"] == BACK and torch.equal(
        pairs.target(0), load_image(view_path(folder, "rgb", BACK))
    )
    assert close(pairs.condition(0), degrade(pairs.target(0), 1))


@pytest.fixture(scope="module")
def subject(folder: Path, person: Gaussians, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The person reconstructed without a fault; what the networks were shown is looked at on the
    way."""
    out = tmp_path_factory.mktemp("subject") / folder.name
    out.mkdir()
    coarse = Known(person)
    fusion = Known(person)
    views = Viewpoints.read(folder)
    image, mask = (load_image(view_path(folder, k, views.front)) for k in ("rgb", "mask"))
    made = Reconstructor(coarse, fusion, None, size=SIZE).reconstruct(
        image, mask, body_of(folder), VARIANTS["no_diffusion"], views
    )
    for network, sides in ((coarse, [FRONT]), (fusion, [FRONT, BACK])):
        images, cameras = network.asked[0]
        assert torch.equal(
            cameras.world_to_camera, ten(SIZE).world_to_camera[sides]
        ) and torch.equal(cameras.K, ten(SIZE).K[sides])
        assert all(
            close(image, load_image(view_path(folder, "rgb", i)))
            for image, i in zip(images, sides, strict=True)
        )
    write_reconstruction(
        made,
        image,
        out,
        Reconstruct(size=SIZE, turntable_size=16, turntable_frames=2),
        views.cameras,
    )
    shutil.copyfile(folder / "smplx.npz", out / "smplx.npz")
    return out


def perfect(numbers: dict) -> bool:
    """Equal but for 8 bits; PSNR is None where it is infinite."""
    return (numbers["standard"]["psnr"] is None or numbers["standard"]["psnr"] > 60) and numbers[
        "standard"
    ]["ssim"] > 0.9999


def measured(subject: Path, folder: Path, model: BodyModel) -> dict:
    return evaluate_subject(
        subject,
        folder,
        folder,
        None,
        model,
        variant="no_diffusion",
        standin=True,
        lpips=None,
        seed=1,
        surface_samples=100,
    )


def test_a_perfect_reconstruction_is_perfect_in_the_numbers(
    subject: Path, folder: Path, model: BodyModel
) -> None:
    found = measured(subject, folder, model)
    for number in (
        found["views"],
        found["back"],
        found["back_render"],
        found["baselines"]["coarse"]["views"],
    ):
        assert perfect(number)
    assert load_cameras(subject).K.equal(ten(SIZE).K) and not (subject / "novel_10.png").exists()
    photo = load_image(subject / "input.png")
    truth = load_views(folder)
    # the input's own view is none of those that are measured
    others = [i for i in range(10) if i != FRONT]
    copied = -10 * torch.log10((photo - truth.rgb[others]).square().mean())
    assert found["baselines"]["copy_nearest"]["views"]["standard"]["psnr"] == pytest.approx(
        copied.item(), abs=1e-3
    )
    assert found["baselines"]["textured_body"]["views"]["standard"]["psnr"] > copied + 3


def test_renders_by_the_rig_would_be_told(
    subject: Path, folder: Path, person: Gaussians, model: BodyModel, tmp_path: Path
) -> None:
    wrong = shutil.copytree(subject, tmp_path / "0007")
    for i, rgb in enumerate(render(person, orbit(size=SIZE)[:10]).rgb):
        save_image(view_path(wrong, "novel", i), rgb.clamp(0, 1))
    assert measured(wrong, folder, model)["views"]["standard"]["psnr"] < 15


def test_novel_views_of_another_size_are_drawn_again_by_the_same_cameras(
    subject: Path, folder: Path, model: BodyModel, tmp_path: Path
) -> None:
    small = shutil.copytree(subject, tmp_path / "0007")
    for i in range(10):
        save_image(view_path(small, "novel", i), torch.ones(3, 32, 32))
    assert measured(small, folder, model)["views"]["standard"]["psnr"] > 45


def test_other_methods_give_these_views(
    subject: Path, folder: Path, model: BodyModel, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for i in range(10):
        if i != FRONT:
            shutil.copyfile(view_path(subject, "novel", i), view_path(theirs, "novel", i))
    found = measure_baseline(
        theirs,
        folder,
        None,
        model,
        tmp_path / "out",
        method="sherf",
        lpips=None,
        seed=0,
        surface_samples=100,
    )
    assert perfect(found["views"]) and perfect(found["back"])
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {
        p.name for p in theirs.iterdir()
    } | {"truth_02.png"}
    view_path(theirs, "novel", 9).unlink()
    with pytest.raises(
        InputError,
        match=r"novel_09\.png: no such file; views 0, 1, 2, 3, 4, 5, 6, 8, 9 are measured",
    ):
        measure_baseline(
            theirs,
            folder,
            None,
            model,
            tmp_path / "out",
            method="sherf",
            lpips=None,
            seed=0,
            surface_samples=100,
        )


def test_a_mesh_is_refined_in_the_views_of_its_pictures(
    subject: Path, person: Gaussians, folder: Path, model: BodyModel
) -> None:
    asked = []

    class Nobody:
        def of_mesh(
            self, pictures: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, cameras: Cameras
        ) -> None:
            asked.append((pictures, mask, cameras))

    settings = Mesh(cameras=6, size=48, voxel=0.04, truncation=0.1, min_triangles=0)
    mesh_subject(person, body_of(folder), model.faces, Nobody(), subject, settings)
    pictures, mask, cameras = asked[0]
    assert torch.equal(cameras.world_to_camera, ten(SIZE).world_to_camera[[FRONT, BACK]])
    assert close(pictures, load_views(folder).rgb[[FRONT, BACK]]) and close(
        mask, load_views(folder).mask[FRONT]
    )


def test_the_front_silhouette_is_seen_by_the_input_camera(
    folder: Path, person: Gaussians, model: BodyModel, tmp_path: Path
) -> None:
    """The true body agrees with the mask, and with the coarse model that knows it; seen by the
    rig's front camera it would not."""
    body = load_body(folder / "smplx.npz")
    start = BodyEstimate(
        parameters(folder / "smplx.npz"), "truth", float(body["nu_per_metre"]), torch.zeros(3)
    )
    truth = load_views(folder)
    coarse = Known(person)
    reconstructor = Reconstructor(coarse, None, None, size=SIZE)
    settings = Refine(iterations=1, sizes=[SIZE], front=1.0, side=1.0, cell=0.012)
    fronts = []
    for camera in (truth.cameras[FRONT], orbit(size=SIZE)[0]):
        refine_subject(
            start,
            truth.rgb[FRONT],
            truth.mask[FRONT],
            camera,
            model,
            reconstructor,
            tmp_path,
            settings,
        )
        names, row = (
            (tmp_path / "refinement.tsv").read_text().splitlines()[i].split("\t") for i in (0, 1)
        )
        terms = dict(zip(names, map(float, row), strict=True))
        assert terms["side"] < 0.25  # soft outlines at this size
        fronts.append(terms["front"])
    assert fronts[0] < 0.25 < 0.6 < fronts[1]
    assert torch.equal(coarse.asked[0][1].world_to_camera[0], truth.cameras[FRONT].world_to_camera)


def seen_from(params: BodyParameters, camera: Cameras) -> BodyParameters:
    """As an estimator gives a body that stands in the world without orientation: in the axes of the
    camera that looks at it."""
    turn = FLIP @ camera.world_to_camera[:3, :3].double().numpy()
    return params.replace(
        global_orient=torch.from_numpy(Rotation.from_matrix(turn).as_rotvec()).float()
    )


def test_an_estimators_body_stands_as_the_data_set_sees_it(
    folder: Path, model: BodyModel, tmp_path: Path
) -> None:
    """Turned, placed and scaled by the real input camera and its mask."""
    (tmp_path / "est").mkdir()
    seen_from(parameters(folder / "smplx.npz"), ten(SIZE)[FRONT]).save_npz(
        tmp_path / "est" / "0007.npz"
    )
    given_subject(tmp_path / "est", folder, model, tmp_path)
    assert (
        torch.from_numpy(load_body(tmp_path / "smplx.npz")["vertices"]) - body_of(folder)
    ).abs().max() < 0.05


@pytest.mark.parametrize("aside", [0.0, 14.0])
def test_where_an_estimator_saw_the_body(aside: float, model: BodyModel) -> None:
    """A camera that looks past the person, whose picture is cut so that the person is in its
    middle, sees what one that looks at the person sees."""
    eye = torch.tensor([1.4, 0.5, 1.9], dtype=torch.float64)
    straight = look_at(eye, torch.zeros(3, dtype=torch.float64))
    pan = torch.eye(4, dtype=torch.float64)
    pan[:3, :3] = torch.from_numpy(Rotation.from_euler("y", aside, degrees=True).as_matrix())
    w2c = pan @ straight
    K = intrinsics(SIZE, focal=1.1, dtype=torch.float64)
    K[:2, 2] += 32 - (K @ (w2c[:3, 3] / w2c[2, 3]))[:2]
    camera = Cameras(K, w2c, SIZE, SIZE)
    # faces the camera
    seen = DetectedBody(
        model.zeros(), "test", pixels_per_meter=20.0, pelvis=torch.tensor([35.0, 30.0])
    )
    found = estimate_in_views(seen, camera)
    turn = Rotation.from_rotvec(found.params.global_orient.numpy()).as_matrix()
    assert turn == pytest.approx(straight[:3, :3].numpy().T @ FLIP, abs=1e-5)
    assert found.translation is not None and found.scale is not None
    pixels, depth = camera.project(found.translation[None].double())
    assert pixels[0].tolist() == pytest.approx(
        [35.0, 30.0], abs=1e-3
    ) and depth.item() == pytest.approx(w2c[2, 3].item(), abs=1e-5)
    assert found.scale == pytest.approx(20.0 / (K[0, 0] / w2c[2, 3]).item())
    head = place(model(found.params), found.scale, found.translation)[1][15]
    assert camera.project(head[None].double())[0][0, 1] < 30 - 5  # upright in the picture


def test_estimators_see_the_front_view(folder: Path, tmp_path: Path) -> None:
    _front_view(folder)(tmp_path / "seen.png")
    assert (tmp_path / "seen.png").read_bytes() == view_path(folder, "rgb", FRONT).read_bytes()


def test_the_normal_net_learns_from_every_view_there_is(
    folder: Path, model: BodyModel, tmp_path: Path
) -> None:
    """Those of scans with ten views and with three; and none from views without normals."""
    few = tmp_path / "few"
    few.mkdir()
    save_cameras(few, ten(SIZE)[:3])
    shutil.copyfile(folder / "smplx.npz", few / "smplx.npz")
    for i in range(3):
        for kind in ("rgb", "mask", "normal"):
            shutil.copyfile(view_path(folder, kind, i), view_path(few, kind, i))
    training = Normals(channels=[4, 8], steps=1, batch=30)  # of 13
    train_normals(
        [few, folder], model.faces, training, tmp_path / "out", tmp_path / "state", seed=0
    )
    view_path(few, "normal", 0).unlink()
    with pytest.raises(
        InputError, match=r"few: its views have no normals to train a net on; set normals\.icon"
    ):
        train_normals(
            [few, folder],
            model.faces,
            training.model_copy(update={"steps": 2}),
            tmp_path / "out",
            tmp_path / "state",
            seed=0,
        )
