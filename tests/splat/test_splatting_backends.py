"""Which backend is chosen, what the CUDA adapters hand over, and how the compiled one is built."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numba
import pytest
import torch
from asked_anew import asked_anew
from splat_scenes import leaves, make_cameras, make_gaussians
from torch import Tensor

from hgm.core.probes import say_once
from hgm.errors import InputError, MissingDependency
from hgm.splat import backend_for, backends, gsplat_kernels, reference, render, resolve_backend
from hgm.splat.cuda import _matrices, rasterize_gsplat, rasterize_inria


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a process knows of its backends is asked anew in every test."""
    with asked_anew(backends.hindrance, backends._automatic, say_once):
        yield


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kernels as if built, and adapters that draw as plain torch does; the list gets what is
    tried."""
    tried: list[str] = []

    def adapter(name: str) -> backends.Rasterize:
        def rasterize(*arguments: Any) -> Any:
            tried.append(name)
            return reference.rasterize(*arguments)

        return rasterize

    monkeypatch.setattr(gsplat_kernels, "make_ready", lambda device: "its wheel")
    monkeypatch.setattr(backends, "ON_CUDA", {name: adapter(name) for name in backends.ON_CUDA})
    on_cpu = backends.differs
    monkeypatch.setattr(
        backends, "differs", lambda rasterize, device: on_cpu(rasterize, torch.device("cpu"))
    )
    return tried


@pytest.mark.parametrize(
    ("device", "installed", "expected"),
    [
        ("cpu", {"torch", "numba", "gsplat", "diff_gaussian_rasterization"}, "numba"),
        ("cpu", {"torch", "gsplat"}, "torch"),
        ("cuda", {"torch", "numba", "gsplat", "diff_gaussian_rasterization"}, "gsplat"),
        (
            "cuda:1",
            {"torch", "numba", "diff_gaussian_rasterization"},
            "diff-gaussian-rasterization",
        ),
        ("cuda", {"torch", "numba"}, "torch"),
        ("mps", {"torch", "numba", "gsplat"}, "torch"),
    ],
)
def test_auto(
    device: str,
    installed: set[str],
    expected: str,
    ready: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "_installed", installed.__contains__)
    assert [resolve_backend("auto", device) for _ in range(3)] == [expected] * 3
    assert ready == ([expected] if expected in backends.ON_CUDA else [])  # tried once a process


def test_an_unusable_backend_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_installed", {"torch"}.__contains__)
    cases = [
        ("nerf", "cpu", InputError, "unknown"),
        ("gsplat", "cpu", InputError, "runs on cuda"),
        ("gsplat", "cuda", MissingDependency, r"pip install -r requirements-gpu\.in"),
        ("numba", "cuda", InputError, "runs on cpu"),
        ("numba", "cpu", MissingDependency, "pip install numba"),
    ]
    for name, device, error, text in cases:
        with pytest.raises(error, match=text) as caught:
            resolve_backend(name, device)
        assert "\n" not in str(caught.value)


def test_plain_torch_on_a_gpu_is_a_warning_that_says_why(
    ready: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(backends, "_installed", {"torch", "numba"}.__contains__)
    for _ in range(3):
        assert resolve_backend("auto", "cuda") == "torch"
    assert resolve_backend("auto", "cpu") == "numba"
    (slow, plain) = caplog.records
    assert (
        slow.levelno == logging.WARNING
        and "gsplat is not installed (pip install -r requirements-gpu.in)" in slow.message
    )
    assert plain.message == "splatting on cpu: numba"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            InputError("its kernels could not be built: no CUDA toolkit"),
            "its kernels could not be built: no CUDA toolkit",
        ),
        (
            AttributeError("'NoneType' object has no attribute 'projection'"),
            "AttributeError: 'NoneType' object has no attribute",
        ),
        (
            RuntimeError("CUDA error: no kernel image is available\nfor execution"),
            "RuntimeError: CUDA error: no kernel image is available",
        ),
    ],
)
def test_what_a_backend_raises_is_a_reason(
    fault: Exception,
    reason: str,
    ready: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> Any:
        raise fault

    monkeypatch.setattr(backends, "_installed", {"torch", "gsplat"}.__contains__)
    if isinstance(fault, InputError):
        monkeypatch.setattr(gsplat_kernels, "make_ready", fail)
    else:
        monkeypatch.setitem(backends.ON_CUDA, "gsplat", fail)
    assert resolve_backend("auto", "cuda") == "torch" and reason in caplog.text
    with pytest.raises(MissingDependency) as caught:
        resolve_backend("gsplat", "cuda")
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_full_device_is_not_held_against_a_backend(
    ready: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(backends, "_installed", {"torch", "gsplat"}.__contains__)
    rasterize = backends.ON_CUDA["gsplat"]
    monkeypatch.setitem(backends.ON_CUDA, "gsplat", full)
    with pytest.raises(torch.OutOfMemoryError):
        resolve_backend("auto", "cuda")
    monkeypatch.setitem(backends.ON_CUDA, "gsplat", rasterize)
    assert resolve_backend("auto", "cuda") == "gsplat"


def changed(which: int, change: Callable[[Tensor], Tensor]) -> backends.Rasterize:
    """Plain torch with one of its outputs changed."""

    def rasterize(*arguments: Any) -> Any:
        images = list(reference.rasterize(*arguments))
        images[which] = change(images[which])
        return tuple(images)

    return rasterize


@pytest.mark.parametrize(
    "rasterize",
    [
        changed(0, lambda rgb: rgb.flip(-1)),
        changed(1, lambda alpha: alpha * 0.9),
        changed(2, lambda depth: depth * float("nan")),
        changed(0, lambda rgb: 2 * rgb.detach() - rgb),
        changed(0, torch.zeros_like),
        changed(0, lambda rgb: rgb.detach()),
    ],
    ids=["mirrored", "faint", "not finite", "gradients turned round", "black", "no gradients"],
)
def test_a_probe_finds_what_is_wrong(rasterize: backends.Rasterize) -> None:
    assert backends.differs(rasterize, torch.device("cpu"))


def test_a_probe_lets_another_implementation_pass() -> None:
    from hgm.splat.compiled import rasterize

    before = torch.get_rng_state()
    with torch.no_grad():
        assert backends.differs(rasterize, torch.device("cpu")) is None
    assert torch.equal(torch.get_rng_state(), before)  # a training's numbers are its own


@pytest.mark.parametrize("setting", ["gsplat", "diff-gaussian-rasterization", "auto", "numba"])
def test_a_setting_for_the_gpu_leaves_work_on_a_cpu_to_the_cpu(setting: str) -> None:
    assert backend_for(setting, "cpu") == "numba"
    with pytest.raises(InputError, match="unknown"):
        backend_for("nerf", "cpu")


@pytest.mark.parametrize("text", ["0", "two", "", "-1"])
def test_threads_must_be_a_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HGM_THREADS", text)
    with pytest.raises(InputError, match="HGM_THREADS"):
        render(make_gaussians(2), make_cameras(1, 8, 8), backend="numba")


def test_gsplat_is_called_once_with_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the keywords that 1.5.3 and 1.6 share, which answers with the plain torch
    backend."""
    from hgm.cameras import Cameras
    from hgm.gaussians import Gaussians

    calls = []

    def rasterization(
        *,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        viewmats: Tensor,
        Ks: Tensor,
        width: int,
        height: int,
        near_plane: float,
        eps2d: float,
        packed: bool,
        backgrounds: Tensor,
        render_mode: str,
        rasterize_mode: str,
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        calls.append((packed, render_mode, rasterize_mode, eps2d, backgrounds.shape))
        rgb, alpha, depth = reference.rasterize(
            Gaussians(means, opacities, scales, quats, colors),
            Cameras(Ks, viewmats, width, height),
            backgrounds[0, 0],
            near_plane,
            rasterize_mode == "antialiased",
        )
        return torch.cat([rgb, depth], 2).movedim(2, -1), alpha.movedim(2, -1), {}

    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    rig = make_cameras(6, 20, 14)
    cameras = Cameras(rig.K.unflatten(0, (2, 3)), rig.world_to_camera.unflatten(0, (2, 3)), 20, 14)
    scene = make_gaussians(30, scenes=2)
    images = rasterize_gsplat(scene, cameras, torch.tensor([0.1, 0.2, 0.3]), 0.01)
    assert calls == [(False, "RGB+ED", "classic", 0.3, (2, 3, 3))]
    back = (0.1, 0.2, 0.3)
    want = render(scene, cameras, backend="torch", background=back)
    for a, b in zip(images, want, strict=True):
        torch.testing.assert_close(a, b)
    images = rasterize_gsplat(scene, cameras, torch.tensor(back), 0.01, antialiased=True)
    assert calls[1:] == [(False, "RGB+ED", "antialiased", 0.3, (2, 3, 3))]
    want = render(scene, cameras, backend="torch", background=back, antialiased=True)
    for a, b in zip(images, want, strict=True):
        torch.testing.assert_close(a, b)


def test_inria_gets_transposed_matrices_unit_quaternions_and_true_fields_of_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
    cameras = make_cameras(3, 20, 14)
    scene = make_gaussians(10, scenes=1)
    rgb, alpha, depth = rasterize_inria(scene, cameras[None], torch.ones(3), 0.3)
    assert rgb.shape == (1, 3, 3, 14, 20) and alpha.shape == depth.shape == (1, 3, 1, 14, 20)
    # its depth is not divided by alpha
    torch.testing.assert_close(depth, torch.full_like(depth, 1.2))
    assert len(seen) == 3
    settings, inputs = seen[1]
    assert settings.tanfovx == pytest.approx(20 / (2 * cameras.K[1, 0, 0].item()))
    assert settings.tanfovy == pytest.approx(14 / (2 * cameras.K[1, 1, 1].item()))
    torch.testing.assert_close(inputs["rotations"].norm(dim=-1), torch.ones(10))
    torch.testing.assert_close(settings.campos, cameras.centers[1])
    points, depths = cameras[1].project(scene.means[0])
    hidden = depths < 0.3
    torch.testing.assert_close(
        inputs["opacities"][:, 0], torch.where(hidden, 0.0, scene.opacities[0])
    )
    views, projections = _matrices(cameras[None], 0.3)
    torch.testing.assert_close(views[0, 1], settings.viewmatrix)
    clip = torch.cat([scene.means[0], torch.ones(10, 1)], 1) @ projections[0, 1]
    # its pixel centers are whole numbers
    pixels = ((clip[:, :2] / clip[:, 3:] + 1) * torch.tensor([20, 14]) - 1) / 2
    torch.testing.assert_close(pixels + 0.5, points, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", ["blend", "blend_backward"])
def test_pixel_loops_are_vectorized(kernel: str) -> None:
    """They are written for it, and a small change makes them several times slower without changing
    a result."""
    from numba.core.registry import cpu_target

    # of the processor that numba compiles for
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    if "+fma" not in features.split(","):
        pytest.skip("no x86-64 with fused multiply-add")
    from hgm.splat import jit, kernels_blending

    scene = leaves(make_gaussians(5))
    render(scene, make_cameras(1, 16, 16), backend="numba").rgb.sum().backward()
    known = getattr(kernels_blending, kernel)
    # cached code has no assembly
    fresh = numba.njit(nogil=True, error_model="numpy", fastmath=jit.FAST)(known.py_func)
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
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {
        "TMPDIR": str(tmp_path)
    }
    result = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    folder, mode = result.stdout.split()
    assert folder.startswith(str(tmp_path)) and mode == "0o700"


def test_a_forked_child_starts_its_own_threads() -> None:
    script = """
import os
from hgm.splat.compiled import run_shared
done = []
run_shared(lambda i: done.append(i), [(i,) for i in range(20)], 3)
child = os.fork()
if child == 0:
    run_shared(lambda i: done.append(i), [(i,) for i in range(20)], 3)
    os._exit(0 if sorted(done) == sorted([*range(20)] * 2) else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 0
