"""The backends of splatting, and which one works on a device: found out once a process and said in
one line."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Callable, Iterable
from functools import cache

import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.core.probes import failure, indexed, say_once
from hgm.errors import InputError, MissingDependency
from hgm.gaussians import Gaussians
from hgm.splat import gsplat_kernels, reference
from hgm.splat.constants import NEAR
from hgm.splat.cuda import rasterize_gsplat, rasterize_inria

log = logging.getLogger(__name__)
Rasterize = Callable[[Gaussians, Cameras, Tensor, float, bool], tuple[Tensor, Tensor, Tensor]]

# backend -> the kind of device it runs on ("" = any) and the package it needs
BACKENDS = {
    "gsplat": ("cuda", "gsplat"),
    "diff-gaussian-rasterization": ("cuda", "diff_gaussian_rasterization"),
    "numba": ("cpu", "numba"),
    "torch": ("", "torch"),
}
INSTALL = {
    "gsplat": "pip install -r requirements-gpu.in",
    "diff_gaussian_rasterization": "build github.com/ashawkey/diff-gaussian-rasterization, the "
    "fork with depth and alpha",
    "numba": "pip install numba",
}
ON_CUDA: dict[str, Rasterize] = {
    "gsplat": rasterize_gsplat,
    "diff-gaussian-rasterization": rasterize_inria,
}
# largest mean and relative difference in a probe: above the adapters' own, below any fault
PICTURES = 0.02
GRADIENTS = 0.15


def resolve_backend(name: str, device: torch.device | str) -> str:
    """The backend that `render` uses for tensors on `device`: `gsplat`,
    `diff-gaussian-rasterization`, `numba` or `torch`.

    `auto` is, on CUDA, gsplat, else diff-gaussian-rasterization, else torch, the first that works
    there: its package is installed, its kernels are there or can be built
    (`hgm.splat.gsplat_kernels`, which may take minutes once), and it draws a small scene as plain
    torch does, with the same gradients. On a CPU `auto` is numba, else torch, and nothing is
    imported to find out; elsewhere torch. What is taken, and why, is logged once a process. Raises
    InputError for an unknown name or a device the backend does not run on, MissingDependency where
    it does not work.
    """
    place = indexed(device)
    if name == "auto":
        name, reasons = _automatic(place)
        _say(place, name, reasons)
        return name
    if name not in BACKENDS:
        raise InputError(
            f"splatting backend: {name!r} is unknown; expected auto, {', '.join(BACKENDS)}"
        )
    where = BACKENDS[name][0]
    if where not in ("", place.type):
        raise InputError(
            f"splatting backend: {name} runs on {where}, the tensors are on {place.type}; use "
            "backend auto or move them"
        )
    reason = hindrance(name, place)
    if reason is not None:
        raise MissingDependency(
            f"splatting backend: {name} cannot be used on {place}: {reason}; use backend auto"
        )
    _say(place, name, ())
    return name


def rasterizer(name: str) -> Rasterize:
    """The function behind a backend that `resolve_backend` gave: Gaussians [S, N], cameras [S, C],
    background [3], near plane and whether antialiased -> rgb [S, C, 3, H, W], alpha and depth [S,
    C, 1, H, W]."""
    if name == "numba":
        from hgm.splat.compiled import rasterize

        return rasterize
    return {"torch": reference.rasterize, **ON_CUDA}[name]


def backend_for(setting: str, device: torch.device | str) -> str:
    """The backend for work on `device` under the setting `splat`, which names one for the GPU.

    Work on a CPU, which parts of the workflow do wherever it runs, takes what `auto` gives there
    when the setting names a CUDA backend: all draw the same to within rounding. Raises as
    `resolve_backend`.
    """
    on_cuda_only = BACKENDS.get(setting, ("",))[0] == "cuda"
    return resolve_backend(
        "auto" if on_cuda_only and torch.device(device).type == "cpu" else setting, device
    )


@cache
def hindrance(name: str, device: torch.device) -> str | None:
    """Why a backend cannot be used on a device of its kind, in a phrase; None where it can. Builds
    gsplat's kernels if need be."""
    package = BACKENDS[name][1]
    if not _installed(package):
        return f"{package} is not installed ({INSTALL[package]})"
    if name not in ON_CUDA:
        return None
    try:
        if name == "gsplat":
            log.info("gsplat's kernels on %s: %s", device, gsplat_kernels.make_ready(device))
        return differs(ON_CUDA[name], device)
    except InputError as error:
        return str(error)
    except torch.OutOfMemoryError:  # says nothing about the backend
        raise
    # another's compiled code: whatever it raises here it would raise in the first step
    except Exception as error:
        return failure(error)


def differs(rasterize: Rasterize, device: torch.device) -> str | None:
    """Whether a rasterizer draws a small scene on a device otherwise than plain torch, as a phrase;
    None where it agrees."""
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.rand(1, 60, *shape, generator=generator)

    scene = Gaussians(
        0.6 * numbers(3) - 0.3,
        0.1 + 0.8 * numbers(),
        0.01 + 0.05 * numbers(3),
        numbers(4) - 0.5,
        numbers(3),
    )
    rig = orbit(2, size=32)
    cameras = Cameras(rig.K[None], rig.world_to_camera[None], 32, 32).to(device)
    back = torch.ones(3, device=device)
    results = []
    with torch.enable_grad(), torch.autocast(device.type, enabled=False):
        for way in (rasterize, reference.rasterize):
            leaves = Gaussians(
                *(
                    getattr(scene, f.name).to(device).requires_grad_()
                    for f in dataclasses.fields(scene)
                )
            )
            rgb, alpha, depth = way(leaves, cameras, back, NEAR, False)
            inputs = [leaves.means, leaves.opacities, leaves.scales, leaves.colors]
            results.append(
                (
                    [rgb, alpha, depth * (alpha > 0.5)],
                    torch.autograd.grad((rgb * rgb.detach()).mean() + alpha.mean(), inputs),
                )
            )
    (pictures, gradients), (true_pictures, true_gradients) = results
    drawn = _largest((a - b).abs().mean() for a, b in zip(pictures, true_pictures, strict=True))
    pushed = _largest(
        (a - b).norm() / b.norm() for a, b in zip(gradients, true_gradients, strict=True)
    )
    if drawn < PICTURES and pushed < GRADIENTS:  # not so for numbers that are not finite
        return None
    return (
        f"it differs from plain torch by {drawn:.1g} in its pictures and {100 * pushed:.0f} % "
        "in its gradients"
    )


def _largest(numbers: Iterable[Tensor]) -> float:
    return float(torch.stack(list(numbers)).max().detach())


@cache
def _automatic(device: torch.device) -> tuple[str, tuple[str, ...]]:
    """The first backend that works on a device, and why those before it do not."""
    reasons: list[str] = []
    for name, (where, _) in BACKENDS.items():
        if where in ("", device.type):
            reason = hindrance(name, device)
            if reason is None:
                break
            reasons.append(f"{name}: {reason}")
    return name, tuple(reasons)


def _say(device: torch.device, name: str, reasons: tuple[str, ...]) -> None:
    if name == "torch" and device.type == "cuda" and reasons:
        say_once(
            f"splatting on {device}: plain torch, which is many times slower than gsplat, since "
            f"{'; '.join(reasons)}",
            log,
            logging.WARNING,
        )
    else:
        say_once(f"splatting on {device}: {name}{f' ({reasons[0]})' if reasons else ''}", log)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
