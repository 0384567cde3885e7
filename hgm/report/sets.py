"""KID of a run's back views: a measure of the whole set of subjects, not of one."""

from __future__ import annotations

from pathlib import Path

import torch

from hgm.metrics.definitions import BACK_VIEW
from hgm.metrics.inception import Inception, load_inception
from hgm.metrics.kid import KID, kid_of_images
from hgm.report.run import Run, Subject
from hgm.variants import RENDER
from hgm.views import load_image

MADE, RENDERED, TRUE = "back.png", f"novel_{BACK_VIEW:02d}.png", f"truth_{BACK_VIEW:02d}.png"


def back_view_kid(run: Run, weights: str | Path | None, *, seed: int = 0) -> dict[str, KID | None]:
    """KID between the true back views and those of each variant, its pictures (Table 7) and its renders, and of each other method;
    None for all without the weights.

    A few dozen subjects make one subset of all images. Raises InputError on an unusable weight file.
    """
    network = load_inception(weights)
    sets = {variant: (run.of(variant), MADE) for variant in run.variants}
    sets |= {variant + RENDER: (run.of(variant), RENDERED) for variant in run.variants}
    sets |= {name: (subjects, RENDERED) for name, subjects in run.rivals.items()}
    return {name: _kid(subjects, picture, network, seed) for name, (subjects, picture) in sets.items()}


def _kid(subjects: list[Subject], picture: str, network: Inception | None, seed: int) -> KID | None:
    """KID of the subjects' files of one name that have a true back view beside them; None without any, or without the network."""
    pairs = [(s.file(picture), s.file(TRUE)) for s in subjects]
    there = [(a, b) for a, b in pairs if a is not None and b is not None]
    if network is None or not there:
        return None
    ours, truth = (torch.stack([load_image(pair[i]) for pair in there]) for i in (0, 1))
    return kid_of_images(ours, truth, network, subset_size=len(there), seed=seed)
