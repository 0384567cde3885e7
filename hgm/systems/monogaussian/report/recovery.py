"""How far the parameters of disturbed training clips are from the truth, before and after they were
learned with the avatar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hgm.errors import InputError
from hgm.report.parts import Part, TextTable
from hgm.systems.monogaussian.clip import concatenated
from hgm.systems.monogaussian.clip_file import read_clip
from hgm.systems.monogaussian.report.run import Run
from hgm.systems.monogaussian.tracking import parameter_errors
from hgm.systems.monogaussian.truth import read_truth

ANGLES = {
    "pose_degrees": "five joints (mean, °)",
    "head_degrees": "head in the world (°)",
    "jaw_degrees": "jaw (°)",
    "eyes_degrees": "eyes (°)",
}
PSNR = "PSNR of the test clip (dB)"


def recoveries(run: Run) -> list[Part]:
    """A table of each variant's errors, beside the PSNR of its avatar on the test clip, whose
    parameters are true; nothing where those of the training were exact."""
    try:
        clips = [read_clip(folder, pictures=False) for folder in _folders(run)]
        truths = [read_truth(clip) for clip in clips]
    except InputError:
        return []
    if not clips or any(truth is None for truth in truths):
        return []
    expression, pose = (
        np.concatenate([truth[i] for truth in truths if truth is not None]) for i in (0, 1)
    )
    given = concatenated(clips)
    rows = [{**_row("as given", given.expression, given.pose, expression, pose), PSNR: "–"}]
    for variant in run.asked:
        learned = run.learned_tracking(variant)
        if {"expression", "pose"} <= learned.keys() and len(learned["pose"]) == len(pose):
            row = _row(variant, learned["expression"], learned["pose"], expression, pose)
            measured = run.measured(variant, run.headline)
            value = measured and measured.number("images", "full", "standard", "psnr")
            rows.append({**row, PSNR: "–" if value is None else f"{value:.2f}"})
    return [TextTable("Errors of the training parameters", rows)]


def _folders(run: Run) -> list[Path]:
    """The folders of the training clips that the run made itself."""
    names = run.setting("video", "train") or []
    subject = run.setting("video", "subject")
    return [run.folder / "video" / subject / subject / name for name in names if run.standin]


def _row(name: str, *tables: np.ndarray) -> dict[str, str]:
    """tables: expression, pose, and both as they truly are."""
    errors = parameter_errors(*(torch.from_numpy(table) for table in tables))
    return {
        "parameters": name,
        **{text: f"{errors[key]:.2f}" for key, text in ANGLES.items()},
        "expression (rms, share of its deviation)": f"{errors['expression']:.3f}",
    }
