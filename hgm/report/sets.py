"""KID of a run's back views: a measure of the whole set of subjects, not of one."""

from __future__ import annotations

from pathlib import Path

import torch

from hgm.metrics.definitions import BACK_VIEW
from hgm.metrics.inception import Inception, load_inception
from hgm.metrics.kid import KID, kid_of_images
from hgm.report.run import Run
from hgm.views import load_image


def back_view_kid(run: Run, weights: str | Path | None, *, seed: int = 0) -> dict[str, KID | None]:
    """KID between the rendered and the true back views of each variant and other method (Table 7); None for all without the weights.

    A few dozen subjects make one subset of all images. Raises InputError on an unusable weight file.
    """
    network = load_inception(weights)
    found: dict[str, KID | None] = {}
    for variant in run.variants:
        pairs = [(s.views("novel"), s.views("truth")) for s in run.of(variant)]
        pairs = [(a, b) for a, b in pairs if a and b]
        found[variant] = None
        if network is not None and pairs:
            ours, truth = (torch.stack([load_image(pair[i][BACK_VIEW]) for pair in pairs]) for i in (0, 1))
            found[variant] = kid_of_images(ours, truth, network, subset_size=len(pairs), seed=seed)
    return found | _rivals_kid(run, network, seed)


def _rivals_kid(run: Run, network: Inception | None, seed: int) -> dict[str, KID | None]:
    """The same for the back views of other methods."""
    found: dict[str, KID | None] = {}
    for name, subjects in run.rivals.items():
        pairs = [(s.file(f"novel_{BACK_VIEW:02d}.png"), s.file(f"truth_{BACK_VIEW:02d}.png")) for s in subjects]
        there = [(a, b) for a, b in pairs if a is not None and b is not None]
        found[name] = None
        if network is not None and there:
            theirs, truth = (torch.stack([load_image(pair[i]) for pair in there]) for i in (0, 1))
            found[name] = kid_of_images(theirs, truth, network, subset_size=len(there), seed=seed)
    return found
