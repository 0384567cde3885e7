"""Which backend is chosen, what the CUDA adapters hand over, and how the compiled one is built."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numba
import pytest
import torch
from splat_scenes import NAMES, gradients, leaves, make_cameras, make_gaussians
from torch import Tensor

from hgm.errors import InputError, MissingDependency
from hgm.splat import render, rendering, resolve_backend
from hgm.splat.cuda import _matrices, rasterize_gsplat, rasterize_inria


@pytest.mark.parametrize(("device", "installed", "expected"), [
    ("cpu", {"torch", "numba", "gsplat", "diff_gaussian_rasterization"}, "numba"),
    ("cpu", {"torch", "gsplat"}, "torch"),
    ("cuda", {"torch", "numba", "gsplat", "diff_gaussian_rasterization"}, "gsplat"),
    ("cuda:1", {"torch", "numba", "diff_gaussian_rasterization"}, "diff-gaussian-rasterization"),
    ("cuda", {"torch", "numba"}, "torch"),
    ("mps", {"torch", "numba", "gsplat"}, "torch"),
])
def test_auto(device: str, installed: set[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_installed", installed.__contains__)
    assert resolve_backend("auto", device) == expected


def test_an_unusable_backend_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_installed", {"torch"}.__contains__)
    cases = [("nerf", "cpu", InputError, "unknown"), ("gsplat", "cpu", InputError, "runs on cuda"),
             ("gsplat", "cuda", MissingDependency, "pip install gsplat"), ("numba", "cuda", InputError, "runs on cpu"),
             ("numba", "cpu", MissingDependency, "pip install numba")]
    for name, device, error, text in cases:
        with pytest.raises(error, match=text) as caught:
            resolve_backend(name, device)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "two", "", "-1"])
def test_threads_must_be_a_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HGM_THREADS", text)
    with pytest.raises(InputError, match="HGM_THREADS"):
        render(make_gaussians(2), make_cameras(1, 8, 8), backend="numba")


def test_gsplat_is_called_once_with_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the keywords that 1.5.3 and 1.6 share, which answers with the plain torch backend."""
    from hgm.cameras import Cameras
    from hgm.gaussians import Gaussians
    from hgm.splat import reference

    calls = []

    def rasterization(*, means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, viewmats: Tensor,
                      Ks: Tensor, width: int, height: int, near_plane: float, eps2d: float, packed: bool, backgrounds: Tensor,
                      render_mode: str, rasterize_mode: str) -> tuple[Tensor, Tensor, dict[str, Any]]:
        calls.append((packed, render_mode, rasterize_mode, eps2d, backgrounds.shape))
        rgb, alpha, depth = reference.rasterize(Gaussians(means, opacities, scales, quats, colors),
                                                Cameras(Ks, viewmats, width, height), backgrounds[0, 0], near_plane)
        return torch.cat([rgb, depth], 2).movedim(2, -1), alpha.movedim(2, -1), {}

    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    rig = make_cameras(6, 20, 14)
    cameras = Cameras(rig.K.unflatten(0, (2, 3)), rig.world_to_camera.unflatten(0, (2, 3)), 20, 14)
    scene = make_gaussians(30, scenes=2)
    images = rasterize_gsplat(scene, cameras, torch.tensor([0.1, 0.2, 0.3]), 0.01)
    assert calls == [(False, "RGB+ED", "classic", 0.3, (2, 3, 3))]
    want = render(scene, cameras, backend="torch", background=(0.1, 0.2, 0.3))
    for a, b in zip(images, want, strict=True):
        torch.testing.assert_close(a, b)


def test_inria_gets_transposed_matrices_unit_quaternions_and_true_fields_of_view(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(NamedTuple):
        image_height: int
        image_width: int
        tanfovx: float
        tanfovy: float
        bg: Tensor
        scale_modifier: float
        viewmatrix: Tensor
        projmatrix: Tensor
        sh_degree: int
        campos: Tensor
        prefiltered: bool
        debug: bool

    seen = []

    class Rasterizer:
        def __init__(self, raster_settings: Settings) -> None:
            self.settings = raster_settings

        def __call__(self, **inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            seen.append((self.settings, inputs))
            pixels = torch.ones(1, self.settings.image_height, self.settings.image_width)
            return pixels.expand(3, -1, -1) * 0.5, torch.ones(1), 0.6 * pixels, 0.5 * pixels

    module = SimpleNamespace(GaussianRasterizationSettings=Settings, GaussianRasterizer=Rasterizer)
    monkeypatch.setitem(sys.modules, "diff_gaussian_rasterization", module)
    cameras, scene = make_cameras(3, 20, 14), make_gaussians(10, scenes=1)
    rgb, alpha, depth = rasterize_inria(scene, cameras[None], torch.ones(3), 0.3)
    assert rgb.shape == (1, 3, 3, 14, 20) and alpha.shape == depth.shape == (1, 3, 1, 14, 20)
    torch.testing.assert_close(depth, torch.full_like(depth, 1.2))  # its depth is not divided by alpha
    assert len(seen) == 3
    settings, inputs = seen[1]
    assert settings.tanfovx == pytest.approx(20 / (2 * cameras.K[1, 0, 0].item()))
    assert settings.tanfovy == pytest.approx(14 / (2 * cameras.K[1, 1, 1].item()))
    torch.testing.assert_close(inputs["rotations"].norm(dim=-1), torch.ones(10))
    torch.testing.assert_close(settings.campos, cameras.centers[1])
    points, depths = cameras[1].project(scene.means[0])
    hidden = depths < 0.3
    torch.testing.assert_close(inputs["opacities"][:, 0], torch.where(hidden, 0.0, scene.opacities[0]))
    views, projections = _matrices(cameras[None], 0.3)
    torch.testing.assert_close(views[0, 1], settings.viewmatrix)
    clip = torch.cat([scene.means[0], torch.ones(10, 1)], 1) @ projections[0, 1]
    pixels = ((clip[:, :2] / clip[:, 3:] + 1) * torch.tensor([20, 14]) - 1) / 2  # its pixel centres are whole numbers
    torch.testing.assert_close(pixels + 0.5, points, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["gsplat", "diff-gaussian-rasterization"])
def test_cuda_backends_agree_with_the_specification(backend: str) -> None:
    try:
        resolve_backend(backend, "cuda")
    except MissingDependency as error:
        pytest.skip(str(error))
    gaussians, cameras = make_gaussians(2000, scenes=2, scale=0.02), make_cameras(3, 96, 80)
    gaussians = type(gaussians)(*(getattr(gaussians, n) * (0.98 if n == "opacities" else 1) for n in NAMES))  # under all clamps
    here, there = leaves(gaussians), leaves(gaussians.to("cuda"))
    want, got = render(here, cameras, backend="torch"), render(there, cameras.to("cuda"), backend=backend)
    limit = 1e-5 if backend == "gsplat" else 5e-3  # Inria's boxes cut faint tails off
    for a, b in zip(got, want, strict=True):
        error = (a.cpu() - b).abs()
        assert error.median() < limit
        assert (error > 0.02).float().mean() < 5e-3
    a, b = gradients(got, there), gradients(want, here)
    for name in NAMES:
        assert torch.nn.functional.cosine_similarity(a[name].cpu().flatten(), b[name].flatten(), 0) > 0.99, name


@pytest.mark.parametrize("kernel", ["blend", "blend_backward"])
def test_pixel_loops_are_vectorised(kernel: str) -> None:
    """They are written for it, and a small change makes them several times slower without changing a result."""
    import llvmlite.binding as llvm

    if not llvm.get_host_cpu_features().get("fma"):
        pytest.skip("not an x86 machine with fused multiply-add")
    from hgm.splat import jit, kernels_blending

    scene = leaves(make_gaussians(5))
    render(scene, make_cameras(1, 16, 16), backend="numba").rgb.sum().backward()
    known = getattr(kernels_blending, kernel)
    fresh = numba.njit(nogil=True, error_model="numpy", fastmath=jit.FAST)(known.py_func)  # cached code has no assembly
    fresh.compile(known.signatures[0])
    assembly = "\n".join(fresh.inspect_asm().values())
    assert len(re.findall(r"\bvfn?m(?:add|sub)\w+ps\s[^\n]*%[yz]mm", assembly)) >= 12


def test_compiled_code_finds_a_place_where_nothing_is_writable(tmp_path: Path) -> None:
    """numba raises at import when neither the package nor the home folder can be written."""
    script = """
import os, stat
from numba.core import caching
for name in dir(caching):
    if name.endswith("CacheLocator") and "UserProvided" not in name:
        getattr(caching, name).from_function = classmethod(lambda *_: None)
import hgm.splat.jit
from numba import njit
njit(cache=True)(hgm.splat.jit.ensure_cache)
folder = os.environ["NUMBA_CACHE_DIR"]
print(folder, oct(stat.S_IMODE(os.stat(folder).st_mode)))
"""
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"TMPDIR": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    folder, mode = result.stdout.split()
    assert folder.startswith(str(tmp_path)) and mode == "0o700"


def test_a_forked_child_starts_its_own_threads() -> None:
    script = """
import os
from hgm.splat.pool import share
done = []
share(lambda i: done.append(i), [(i,) for i in range(20)], 3)
child = os.fork()
if child == 0:
    share(lambda i: done.append(i), [(i,) for i in range(20)], 3)
    os._exit(0 if sorted(done) == sorted([*range(20)] * 2) else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 0
