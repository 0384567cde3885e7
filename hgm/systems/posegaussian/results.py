"""What lies where of the results of one pair."""

from __future__ import annotations

from pathlib import Path

from hgm.core.run_folder import RunFolder
from hgm.systems.posegaussian.parts import CAPTURE

GAUSSIANS = "gaussians.ply"
POINTS = "points.ply"  # round Gaussians at the predicted depth
DISPARITY = "disparity.png"  # of the left view
TRUE_DISPARITY = "disparity_truth.png"  # in the same colors
FILM = "between.mp4"
MATCHING = "matching.json"
METRICS = "metrics.json"


def novel_file(folder: Path, view: int) -> Path:
    """The picture of a view."""
    return folder / f"novel_{view}.png"


def results_of(run: RunFolder, variant: str, part: str) -> Path:
    """The folder in which each pair of a part has one of its own: photos of a real rig, whose names
    are their user's, have another than the pairs of scans."""
    return (run.path / CAPTURE if part == CAPTURE else run.subjects) / variant
