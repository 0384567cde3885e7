"""How fast is splatting on this machine? Our backends side by side in one run, forward and
backward, projection included.

    python benchmarks/splatting.py      # compiled, plain torch, brute force
    python benchmarks/splatting.py --prototype DIR     # and against another rasterizer

DIR holds `rast_numba.py` with rasterize(means2d, conics, opacities, features, depths, radii, width,
height) and `common.py` with project(means, quats, scales, opacities, viewmats, Ks, width, height).
Times are medians over rounds in which all take turns; CPU time is that of the whole process and
does not count other users of the machine, wall time does.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.core.processes import use_threads
from hgm.gaussians import Gaussians
from hgm.splat import render

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "splat"))
from splat_scenes import NAMES, dense, leaves

Renderer = Callable[[Gaussians, Cameras], tuple[Tensor, ...]]


def body(count: int, scale: float, seed: int = 0) -> Gaussians:
    """Gaussians around the surface of an ellipsoid of a person's size, in normalized units;
    opacities mostly high."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    surface = torch.nn.functional.normalize(normal(3), dim=-1) * torch.tensor([0.25, 0.68, 0.18])
    return leaves(
        Gaussians(
            surface + 0.01 * normal(3),
            torch.sigmoid(0.5 + 1.5 * normal()),
            scale * (0.3 * normal(3)).exp(),
            normal(4),
            torch.rand(count, 3, generator=generator),
        )
    )


def prototype(folder: Path, threads: int) -> Renderer:
    """The rasterizer in `folder` as a renderer, over a white background, with expected depth."""
    os.environ["TH"] = str(threads)
    sys.path.insert(0, str(folder))
    rasterize = importlib.import_module("rast_numba").rasterize
    project = importlib.import_module("common").project

    def run(g: Gaussians, cameras: Cameras) -> tuple[Tensor, ...]:
        size = cameras.width, cameras.height
        w2c = cameras.world_to_camera
        means, conics, depths, radii = project(
            g.means, g.quats, g.scales, g.opacities, w2c, cameras.K, *size
        )
        features = torch.cat([g.colors.expand(len(cameras), -1, -1), depths[..., None]], -1)
        image, alpha = rasterize(means, conics, g.opacities, features, depths, radii, *size)
        alpha = alpha[:, None]
        rgb, depth = image.movedim(-1, 1).split([3, 1], 1)
        return rgb + (1 - alpha), alpha, depth / alpha.clamp(min=1e-10)

    return run


def measure(
    renderers: dict[str, Renderer], gaussians: Gaussians, cameras: Cameras, rounds: int
) -> dict[str, list[float]]:
    """name -> forward, backward, both (CPU ms), both (wall ms), median difference of rgb to that of
    the first."""
    parameters = [getattr(gaussians, n) for n in NAMES]
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in renderers}
    reference: Tensor | None = None
    difference = {}
    for turn in range(rounds + 1):  # the first compiles and warms up
        for name, renderer in renderers.items():
            wall = time.perf_counter()
            start = time.process_time()
            images = renderer(gaussians, cameras)
            middle = time.process_time()
            torch.autograd.grad(list(images), parameters, [torch.ones_like(x) for x in images])
            end = time.process_time()
            wall = time.perf_counter() - wall
            if turn:
                times[name].append((1e3 * (middle - start), 1e3 * (end - middle), 1e3 * wall))
            else:
                reference = images[0].detach() if reference is None else reference
                difference[name] = (images[0].detach() - reference).abs().mean().item()
    result = {}
    for name, rows in times.items():
        forward, backward, wall = (statistics.median(column) for column in zip(*rows, strict=True))
        result[name] = [forward, backward, forward + backward, wall, difference[name]]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gaussians", type=int, nargs="+", default=[4096, 10475])
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--size", type=int, default=128, help="pixels on a side")
    parser.add_argument(
        "--scale", type=float, default=0.012, help="size of a Gaussian in normalized units"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prototype", type=Path, metavar="DIR")
    args = parser.parse_args()
    use_threads(args.threads)

    ours: dict[str, Renderer] = {
        name: lambda g, c, name=name: tuple(render(g, c, backend=name))
        for name in ("numba", "torch")
    }
    others = {"prototype": prototype(args.prototype, args.threads)} if args.prototype else {}
    rig = orbit(args.views, size=args.size)
    # brute force keeps every (pixel, Gaussian) pair in memory several times over: a small case is
    # all it can do
    cases = [(1024, orbit(1, size=64), {**ours, "brute force": dense, **others})]
    cases += [(count, rig, {**ours, **others}) for count in args.gaussians]
    write = sys.stdout.write
    write(
        f"{args.threads} thread(s); CPU ms, medians of {args.rounds} rounds; float32; projection "
        "included\n"
        "\n"
    )
    write(
        "| Gaussians | views | pixels | renderer | forward | backward | both | wall | both / "
        "numba | mean rgb difference |\n"
    )
    write("|---|---|---|---|---|---|---|---|---|---|\n")
    for count, cameras, renderers in cases:
        table = measure(renderers, body(count, args.scale), cameras, args.rounds)
        for name, (forward, backward, both, wall, difference) in table.items():
            write(
                f"| {count} | {len(cameras)} | {cameras.width} | {name} | {forward:.1f} | "
                f"{backward:.1f} | {both:.1f} | {wall:.1f} | {both / table['numba'][2]:.1f} | "
                f"{difference:.1e} |\n"
            )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
