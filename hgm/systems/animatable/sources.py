"""Where a job finds the capture that its run works on, and the body model of its parameters."""

from __future__ import annotations

from pathlib import Path

from hgm.body.model import BodyModel
from hgm.core.run_folder import RunFolder
from hgm.systems.animatable import settings
from hgm.systems.animatable.captures import open_capture
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.usable import set_aside_in

MADE = "capture"  # the stand-in's, below the folder of the run
STANDIN_GENDER = "male"  # of the file that the stand-ins' bodies are of (hgm.standin.assets)


def capture_of(section: settings.Capture, run: RunFolder, check: Path | None = None) -> Capture:
    """The capture of a section with the cameras that it names.

    check: what the gate wrote; pictures that it set aside are missing then. Raises InputError as
    `open_capture`.
    """
    root = run.path / MADE if section.root is None else Path(section.root)
    named = [*section.cameras, *section.held_out] if section.cameras else []
    capture = open_capture(root, section.layout, named)
    return capture if check is None else capture.without(set_aside_in(check))


def body_model_of(section: settings.Capture, run: RunFolder) -> BodyModel:
    """The body model of a capture's parameters. Raises InputError where its file is missing."""
    if section.models is None:
        return BodyModel.load(run.standin_models, STANDIN_GENDER)
    return BodyModel.load(Path(section.models), section.gender)
