"""What follows the trainings, on CUDA: bodies refined, photos reconstructed, the back view in
float16; and the claim of a device."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from checkouts import ROOT

from hgm.bench import clock
from hgm.bench.rates import Rates
from hgm.bench.run import rows_of
from hgm.body.files import load_body
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import orbit
from hgm.images.viewpoints import of_the_rig
from hgm.images.views import load_image, view_path
from hgm.nets.normal_net import NormalNet
from hgm.standin.body import core
from hgm.systems.hgm.bench.diffusion import make_refiner
from hgm.systems.hgm.bench.settings import Settings
from hgm.systems.hgm.bench.sizes import PRESETS
from hgm.systems.hgm.bench.stages import STAGES, bench
from hgm.systems.hgm.bodies import place_subject, refine_subject
from hgm.systems.hgm.estimate import disturb
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.normal_estimators import OwnNormals
from hgm.systems.hgm.reconstruction import Reconstructor, write_reconstruction
from hgm.systems.hgm.refinement import refine_body
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import VARIANTS

pytestmark = pytest.mark.gpu
SIZES = PRESETS["tiny"]


def networks(device: str) -> Reconstructor:
    """Untrained, with a back view."""
    torch.manual_seed(0)
    coarse, fusion = (
        HGM(HGMConfig.tiny(views)).to(device).eval().requires_grad_(False) for views in (1, 2)
    )
    return Reconstructor(
        coarse,
        fusion,
        make_refiner(SIZES.base, None, 64, device),
        size=64,
        back_view=SIZES.back_view,
        device=device,
        precision="bf16" if device == "cuda" else "fp32",
    )


def photo(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = (load_image(view_path(folder, kind, 0)) for kind in ("rgb", "mask"))
    return image, mask


def test_a_body_is_refined_as_on_the_cpu(device, model, rendered, scene):
    """The same target on both devices; with what a file gives, on the CPU."""
    start = disturb(
        BodyParameters.from_npz(rendered[0] / "smplx.npz"), model, seed=0, mpjpe_mm=75.79
    )
    found = []
    for where in ("cpu", device):
        target = scene.gaussians()[0].to(where)
        settings = Refine(iterations=4, every=2, sizes=[32, 32], cell=0.012)
        unplaced = dataclasses.replace(start, scale=None, translation=None)
        found += [
            refine_body(
                first,
                BodyModel(core.model("male")).to(where),
                input_mask=photo(rendered[0])[1],
                cameras=orbit(size=64),
                gaussians_from=lambda _, target=target: target,
                settings=settings,
            )
            for first in (start, unplaced)
        ]
    for here, there in zip(found[:2], found[2:], strict=True):
        assert there.vertices.is_cuda and there.translation.is_cuda
        assert (
            there.vertices.cpu() - here.vertices
        ).abs().max() < 5e-3 and there.scale == pytest.approx(here.scale, rel=1e-2)


def test_subjects_are_placed_and_refined(device, rendered, model, tmp_path):
    """By the networks, with the normals that a net reads."""
    reconstructor = networks(device)
    torch.manual_seed(0)
    normals = OwnNormals(NormalNet((8, 16)).to(device).eval().requires_grad_(False))
    body = BodyModel(core.model("male")).to(device)
    start = disturb(
        BodyParameters.from_npz(rendered[0] / "smplx.npz"), model, seed=0, mpjpe_mm=75.79
    )
    image, mask = photo(rendered[0])
    camera = of_the_rig(64).cameras[0]
    settings = Refine(iterations=2, every=1, sizes=[32], cell=0.012)
    vertices = refine_subject(
        start, image, mask, camera, body, reconstructor, tmp_path, settings, normals=normals
    )
    assert vertices.is_cuda and np.isfinite(load_body(tmp_path / "smplx.npz")["vertices"]).all()
    placed = place_subject(
        dataclasses.replace(start, scale=None, translation=None), mask, body, camera, tmp_path
    )
    assert placed.is_cuda and np.allclose(
        load_body(tmp_path / "smplx.npz")["vertices"], placed.cpu().numpy()
    )


@pytest.mark.parametrize("variant", ["full", "one_view", "no_diffusion"])
def test_a_photo_is_reconstructed(device, rendered, variant, tmp_path):
    image, mask = photo(rendered[0])
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    result = networks(device).reconstruct(image, mask, vertices, VARIANTS[variant], of_the_rig(64))
    assert (
        result.gaussians.means.is_cuda
        and bool(result.gaussians.packed().isfinite().all())
        and bool(result.back.isfinite().all())
    )
    if variant == "full" and shutil.which("ffmpeg") is None:
        pytest.importorskip("imageio_ffmpeg", reason="the turntable needs ffmpeg")
    if variant == "full":
        write_reconstruction(
            result,
            image,
            tmp_path,
            Reconstruct(size=32, turntable_size=32, turntable_frames=2),
            orbit(size=64),
        )
        assert (tmp_path / "gaussians.ply").is_file() and (tmp_path / "novel_11.png").is_file()


def test_the_back_view_in_float16_is_that_of_float32(device, record_property):
    made = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        refiner = make_refiner(SIZES.base, None, 64, where)
        rgb = torch.rand(3, 64, 64)
        alpha = torch.ones(1, 64, 64)
        made.append(refiner.refine(rgb.to(where), alpha.to(where), SIZES.back_view))
    here, there = made
    error = float((here - there).abs().mean())
    record_property("mean_error", error)
    assert error < 0.02 and there.device.type == "cpu"


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_of_the_bench_runs(device, stage, monkeypatch):
    """Its first way, at the smallest size."""
    if stage == "mesh":
        pytest.importorskip("open3d")
    monkeypatch.setitem(clock.WARM_UP, "cuda", 0)
    row = next(
        rows_of(bench(Settings("tiny", device, "bf16", repeats=1)), [stage], Rates(1e14, 1e12))
    )
    assert row.seconds is not None and row.peak and row.floor, row.note


def test_a_job_claims_a_device(real):
    """`device: auto` holds one of the machine's devices and sees it alone."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no nvidia-smi")
    code = (
        "import os; from hgm.core.devices import select_device; d = select_device('auto'); import "
        "torch; print(d, bool(os.environ.get('HGM_CLAIMED')), torch.zeros(1, device=d).device, "
        "torch.cuda.device_count())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert said.stdout.split() == ["cuda", "True", "cuda:0", "1"], said.stdout + said.stderr[-300:]


def test_cycles_on_a_gpu_draws_nearly_the_same_view(real, tmp_path):
    pytest.importorskip("bpy")
    from PIL import Image
    from synthetic_scans import write_obj

    from hgm.render.blender import Renderer
    from hgm.scans.preflight import preflight
    from hgm.scans.thuman import ScanFiles

    corners = np.mgrid[-1:1:20j, -1:1:20j].reshape(2, -1).T
    faces = []
    for row in range(19):
        faces += [
            [20 * row + i + j for j in corner]
            for i in range(19)
            for corner in ((0, 1, 20), (1, 21, 20))
        ]
    hill = np.c_[0.5 * corners, 0.2 * np.cos(3 * corners).prod(1)]
    obj = write_obj(
        tmp_path / "0000",
        "0000",
        hill,
        np.array(faces),
        corners / 2 + 0.5,
        Image.new("RGB", (8, 8), (90, 140, 60)),
    )
    frames = []
    for where in ("cpu", "gpu"):
        with Renderer(device=where) as renderer:
            renderer.load(obj, preflight(ScanFiles("0000", obj, obj)), np.eye(4))
            frames.append(renderer.render(orbit(size=64)[1]))
    assert np.abs(frames[0].rgba.astype(int) - frames[1].rgba).mean() < 1
    assert np.median(np.abs(frames[0].depth - frames[1].depth)) < 1e-5
