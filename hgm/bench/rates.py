"""What this machine can do at best: the rate of a large matrix product and of a large copy. Floors
are work over these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from hgm.bench.clock import seconds_of, warm_up

REPEATS = 20
# rows and columns: large enough for the full rate, short enough to repeat
MATRIX = {"cpu": 1024, "cuda": 8192}
COPY = {"cpu": 1 << 28, "cuda": 1 << 30}  # bytes: far more than any cache


@dataclass(frozen=True)
class Rates:
    """The fastest of some repeats, since nothing can be faster than what a floor assumes."""

    matmul: float  # FLOP/s, one multiplication and one addition count as two
    copy: float  # bytes/s, read and written


def measure_rates(
    device: str, dtype: torch.dtype, *, matrix: int | None = None, copy: int | None = None
) -> Rates:
    """Rates on a device; `matrix` and `copy` replace the sizes. Products of float32 as torch is set
    up: without TF32."""
    kind = torch.device(device).type
    n = matrix or MATRIX[kind]
    size = copy or COPY[kind]
    a, b = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(a)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    multiplying = _fastest(lambda: torch.mm(a, b, out=product), device)
    copying = _fastest(lambda: target.copy_(source), device)
    return Rates(matmul_flops(n) / multiplying, 2 * size / copying)


def _fastest(work: Callable[[], object], device: str) -> float:
    warm_up(work, device)
    return min(seconds_of(work, device, REPEATS))


def matmul_flops(n: int) -> int:
    """Of the product of two square matrices."""
    return 2 * n**3
