"""KID of a run's back views, which is measured on the whole set of subjects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from hgm.images.views import load_image
from hgm.metrics.inception import Inception, load_inception
from hgm.metrics.kid import KID, kid_of_images
from hgm.report.run import Subject
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.variants import RENDER

File = Callable[[Subject], Path | None]


def back_view_kid(run: Run, weights: str | Path | None, *, seed: int = 0) -> dict[str, KID | None]:
    """KID between the true back views and those of each variant, both its pictures (paper table 7)
    and its renders, and of each other method. None for all without the weights.

    With a few dozen subjects, all images form one subset. Raises InputError for an unusable weight
    file.
    """
    network = load_inception(weights)
    sets: dict[str, tuple[list[Subject], File]] = {
        variant: (run.of(variant), _made) for variant in run.variants
    }
    sets |= {variant + RENDER: (run.of(variant), _rendered) for variant in run.variants}
    sets |= {name: (subjects, _rendered) for name, subjects in run.rivals.items()}
    return {
        name: _kid(subjects, picture, network, seed) for name, (subjects, picture) in sets.items()
    }


def _made(subject: Subject) -> Path | None:
    return subject.file("back.png")


def _rendered(subject: Subject) -> Path | None:
    return subject.back("novel")


def _kid(
    subjects: list[Subject], picture: File, network: Inception | None, seed: int
) -> KID | None:
    """KID of one picture of each subject that has a true back view; None without such subjects or
    without the network."""
    pairs = [(picture(s), s.back("truth")) for s in subjects]
    there = [(a, b) for a, b in pairs if a is not None and b is not None]
    if network is None or not there:
        return None
    ours, truth = (torch.stack([load_image(pair[i]) for pair in there]) for i in (0, 1))
    return kid_of_images(ours, truth, network, subset_size=len(there), seed=seed)
