"""Training pairs of the ControlNet: a coarse back view with detail removed, and the true back view
(paper appendix).

The coarse view comes from a one-view HGM whose training was stopped early on purpose, so that
renders of training scans are as bad as those of test scans; the render is then downsampled. Each
scan has a folder with `condition.png` and `target.png` of its back view, and in `mask.png` what the
coarse render covers; `pairs.json` lists them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.core.files import atomic_write
from hgm.core.items import for_each
from hgm.core.keys import key_of
from hgm.errors import InputError, ScanError
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, save_image, view_path
from hgm.systems.hgm.back_view.images import degrade

STAGE = "pairs"

RenderBack = Callable[[Path, Viewpoints], tuple[Tensor, Tensor]]
"""(folder of one scan's views, the views) -> the coarse render [3, H, W] over white of the front
view, seen from the back view, and its coverage [1, H, W]."""


def make_pairs(
    scans: Mapping[str, Path],
    out: Path,
    render: RenderBack,
    *,
    factors: Sequence[int],
    key: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Write the pairs of all scans (name -> folder of views) under `out`; write the list of them to
    `pairs.json` and return it.

    The factors of the pairs cycle through `factors` in the order of the scans' names. `key(name)`
    identifies whatever else decides the pair of a scan; a pair that exists with the same key is
    kept. A scan that raises ScanError is set aside with its reason. Raises InputError where there
    are no scans, and, after all other scans are done, for damaged views, since these are made by
    the run itself and can be made again.
    """
    names = sorted(scans)
    factor = {scan: factors[i % len(factors)] for i, scan in enumerate(names)}

    damaged: list[InputError] = []

    def work(scan: str, folder: Path) -> dict[str, Any]:
        try:
            return _make_pair(scan, scans[scan], folder, render, factor[scan])
        except InputError as error:
            damaged.extend([] if isinstance(error, ScanError) else [error])
            raise

    outcome = for_each(
        names,
        STAGE,
        folder=lambda scan: out / scan,
        key=lambda scan: key_of(key(scan), factor[scan]),
        work=work,
    )
    if damaged:
        raise damaged[0]
    if not names:
        raise InputError(f"{out}: no pair could be made; there are no scans")
    pairs = [outcome.facts[scan] for scan in outcome.members]
    listing = {"pairs": pairs, "set_aside": outcome.failed}
    with atomic_write(out / "pairs.json", "w") as file:
        json.dump(listing, file, indent=1, sort_keys=True)
        file.write("\n")
    return listing


def _make_pair(
    scan: str, folder: Path, out: Path, render: RenderBack, factor: int
) -> dict[str, Any]:
    views = Viewpoints.read(folder)
    truth = load_image(view_path(folder, "rgb", views.back))
    coarse, alpha = (x.detach().float().cpu() for x in render(folder, views))
    if coarse.shape != truth.shape:
        raise InputError(
            f"{folder}: the coarse render is {tuple(coarse.shape)}, view {views.back} is "
            f"{tuple(truth.shape)}; render coarse views at the size of the scan's views"
        )
    condition = degrade(coarse.clamp(0, 1), factor)
    save_image(out / "condition.png", condition)
    save_image(out / "mask.png", alpha)
    save_image(out / "target.png", truth)
    error = (condition - truth).square().mean().clamp(min=1e-10)
    return {
        "scan": scan,
        "view": views.back,
        "factor": factor,
        "psnr": round(-10 * torch.log10(error).item(), 3),
    }


@dataclass(frozen=True)
class Pairs:
    """The pairs of a folder, read from disk on access; with `mirror`, followed by their mirror
    images."""

    folder: Path
    scans: tuple[str, ...]
    mirror: bool = False

    @classmethod
    def open(cls, folder: Path, *, mirror: bool = False) -> Pairs:
        path = folder / "pairs.json"
        try:
            rows = json.loads(path.read_text())["pairs"]
            return cls(folder, tuple(row["scan"] for row in rows), mirror)
        except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: cannot read the list of pairs ({error}); make the pairs again"
            ) from None

    def __len__(self) -> int:
        return len(self.scans) * (2 if self.mirror else 1)

    def condition(self, index: int) -> Tensor:
        """[3, H, W] in [0, 1]."""
        return self._image("condition", index)

    def target(self, index: int) -> Tensor:
        """[3, H, W] in [0, 1]."""
        return self._image("target", index)

    def _image(self, kind: str, index: int) -> Tensor:
        image = load_image(self.folder / self.scans[index % len(self.scans)] / f"{kind}.png")
        return image if index < len(self.scans) else image.flip(-1)
