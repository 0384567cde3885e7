"""Sparse convolution of `hgm.nets.sparse` against spconv's CPU forward, on one thread.

    python benchmarks/sparse.py [--repeats 7]

Both run the published pyramid (14 convolutions, 32 channels) over a body's surface, forward only,
since spconv has no backward pass on a CPU; ours is also timed with its backward pass. The two
alternate in one process, so that the ratio is of one run; CPU time of the process, median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from hgm.nets import spconv_backend
from hgm.nets.sparse import SparseConv, VoxelSet
from hgm.nets.sparse_volume import Grid, SparsePyramid, voxelize

CASES = {
    "paper: 10475 vertices, voxel 0.005, 32 channels": (0.005, 32, 4),
    "small: 10475 vertices, voxel 0.02, 16 channels": (0.02, 16, 3),
}


def surface(count: int = 10475) -> torch.Tensor:
    """Points [1, count, 3] on an ellipsoid with a person's surface: about 1.9 m^2."""
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(1, count, 3, generator=generator), dim=-1)
    return points * torch.tensor([0.25, 0.68, 0.15])


def fresh(voxels: VoxelSet) -> VoxelSet:
    """The same voxels without cached neighbor tables: spconv also builds its tables in every
    pass."""
    return VoxelSet(voxels.keys)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    for title, (voxel, channels, levels) in CASES.items():
        torch.manual_seed(0)
        points = surface()
        features, voxels = voxelize(
            torch.randn(1, points.shape[1], channels), points, Grid.around(points, voxel)
        )
        pyramid = SparsePyramid(channels, levels, 0.01, backend="torch").eval()
        layers = [layer for layer in pyramid.layers if isinstance(layer, SparseConv)]

        def ours(
            pyramid: SparsePyramid = pyramid,
            features: torch.Tensor = features,
            voxels: VoxelSet = voxels,
        ) -> None:
            with torch.no_grad():
                pyramid(features, fresh(voxels))

        def theirs(
            layers: list[SparseConv] = layers,
            features: torch.Tensor = features,
            voxels: VoxelSet = voxels,
        ) -> None:
            with torch.no_grad():
                spconv_backend.run(layers, features, voxels)

        def training(
            pyramid: SparsePyramid = pyramid,
            features: torch.Tensor = features,
            voxels: VoxelSet = voxels,
        ) -> None:
            torch.stack([x.sum() for x, _ in pyramid(features, fresh(voxels))]).sum().backward()

        times = measure({"ours": ours, "spconv": theirs, "ours with backward": training}, repeats)
        neighbors = len(voxels.same.src) / len(voxels)
        lines = [f"{title}: {len(voxels)} voxels, {neighbors:.1f} of 27 neighbors"]
        lines += [f"  {name:20s} {1e3 * value:8.1f} ms" for name, value in times.items()]
        lines.append(f"  ours / spconv        {times['ours'] / times['spconv']:8.2f}")
        sys.stdout.write("\n".join(lines) + "\n")


def measure(functions: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each function, called in turn."""
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            if turn:  # the first turn warms up
                samples[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in samples.items()}


if __name__ == "__main__":
    main()
