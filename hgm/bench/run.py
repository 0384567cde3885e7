"""One benchmark run: rates, then every stage, each row printed when it is there; all of it as JSON
at the end."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from hgm.bench import table
from hgm.bench.clock import clock_name
from hgm.bench.measure import Row, Way, measure_stage, reason
from hgm.bench.rates import Rates, measure_rates
from hgm.core.manifests import write_json
from hgm.core.processes import threads
from hgm.core.progress import Progress
from hgm.errors import InputError


class Settings(Protocol):
    """What a system's benchmark was asked for."""

    @property
    def device(self) -> str: ...
    @property
    def repeats(self) -> int: ...
    @property
    def on_cuda(self) -> bool: ...
    @property
    def dtypes(self) -> Sequence[torch.dtype]:
        """Of the matrix products whose rate is a floor."""

    @property
    def summary(self) -> str:
        """What is timed, in a line."""

    def described(self) -> dict[str, Any]:
        """As plain data."""


@dataclass(frozen=True)
class Bench:
    """The stages of a system by name; each lists its ways from the settings and the scene, which is
    made when the first stage is timed."""

    settings: Any  # `Settings` with what the system's stages ask besides
    stages: Mapping[str, Callable[[Any, Any], list[Way]]]
    scene: Callable[[], Any]


def benchmark(
    bench: Bench,
    only: Sequence[str] = (),
    *,
    out: Path | None = None,
    write: Callable[[str], object],
) -> list[Row]:
    """Time the stages named in `only`, or all of them; print the table through `write` and write
    the JSON file `out`.

    Raises InputError for an unknown stage.
    """
    for name in only:
        if name not in bench.stages:
            raise InputError(
                f"--only: {name!r} is unknown; expected some of {', '.join(bench.stages)}"
            )
    with Progress("bench: rates of this machine"):
        rates = best_rates(bench.settings)
    about = describe(bench.settings, rates)
    write(f"{table.preamble(about)}\n{table.heading()}\n")
    rows: list[Row] = []
    names = only or list(bench.stages)
    with Progress("bench", len(names)) as progress:
        for row in rows_of(bench, progress.each(names, str), rates):
            progress.clear()
            write(table.line(row, first=not rows or rows[-1].stage != row.stage) + "\n")
            rows.append(row)
    if out is not None:
        write_json(
            out,
            {
                **about,
                "rows": [{**dataclasses.asdict(row), "over_floor": row.over_floor} for row in rows],
            },
        )
    return rows


def rows_of(bench: Bench, stages: Iterable[str], rates: Rates) -> Iterator[Row]:
    """The rows of each stage; a stage whose ways cannot even be listed gives one row with its
    reason."""
    settings = bench.settings
    scene = bench.scene()
    for name in stages:
        ways: list[Way] = []
        try:
            ways = bench.stages[name](settings, scene)
        except Exception as error:  # as in measure_stage
            yield Row(name, "", reason(error))
        yield from measure_stage(name, ways, rates, settings.device, settings.repeats)


def best_rates(settings: Settings) -> Rates:
    """The copy rate, and the faster of the matmul rates of float32 and of the precision asked for.

    One rate for all ways of a stage, so that the ratios of its rows compare; on CUDA diffusion runs
    in 16 bits anyway.
    """
    rates = [measure_rates(settings.device, dtype) for dtype in settings.dtypes]
    return Rates(max(rate.matmul for rate in rates), max(rate.copy for rate in rates))


def describe(settings: Settings, rates: Rates) -> dict[str, Any]:
    """Machine, versions, settings and rates; plain data."""
    cuda = settings.on_cuda
    return {
        "device": torch.cuda.get_device_name(settings.device) if cuda else f"{processor()} (CPU)",
        "device_type": "cuda" if cuda else "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
        "kernel_threads": threads(),
        "clock": clock_name(settings.device),
        "summary": settings.summary,
        **settings.described(),
        "repeats": settings.repeats,
        "rates": dataclasses.asdict(rates),
    }


def processor() -> str:
    """The name of the CPU as Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [text.split(":", 1)[1].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()
