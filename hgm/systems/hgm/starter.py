"""The networks that trainings and photos can start from without a run of the user's own: those in
resources/starter, in the layout of a finished run (`hgm export-weights`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hgm.core import checkout
from hgm.errors import InputError
from hgm.systems.hgm.run_folder import WEIGHTS, HGMFolder

STARTER = "starter"
MODEL = "model.json"
MANIFEST = "manifest.json"  # its key is a hash of all that a diffusers folder holds


def starter_folder() -> Path:
    """The folder of the starter weights: relative where the working folder holds it, so that a run
    does not depend on where the checkout is."""
    return checkout.found(Path("resources") / STARTER)


def shipped_run() -> Path:
    """The same, where the networks are there. Raises InputError where they are not."""
    folder = starter_folder()
    if not HGMFolder(folder).record.is_file():
        raise InputError(
            f"{folder}: this copy of hgm brings no starter weights; name the folder of a finished "
            "run instead: --run results/demo"
        )
    return folder


def init_folder(init: str) -> Path:
    """The folder that `init` of the configuration names."""
    return starter_folder() if init == STARTER else Path(init)


def init_files(init: str, training: str, branch: str = "") -> list[Path]:
    """The files in the folder that `init` names from which a training starts: coarse, fusion,
    normals, base or controlnet. `branch` is that of a variant; where the folder has no networks of
    it, those with the body branch are the start (`hgm.systems.hgm.networks.start`)."""
    folder = init_folder(init)
    if training in ("base", "controlnet"):
        return [folder / training / MANIFEST]
    own = folder / f"{training}{branch}"
    found = own if (own / WEIGHTS).is_file() else folder / training
    return [found / WEIGHTS, found / MODEL]


def check_init(init: str) -> None:
    """Raises InputError unless `init` names networks."""
    folder = init_folder(init)
    if not HGMFolder(folder).record.is_file():
        raise InputError(
            f"init: {folder}: no run.json in it; expected {STARTER}, where this copy of hgm brings "
            "these weights, or the folder of a finished run; null starts from random weights"
        )


@contextmanager
def as_start(section: str) -> Iterator[None]:
    """Says what helps where networks do not fit the training that starts from them. section: of the
    configuration, that has the sizes."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"{error}: no start for this training; set section {section} as in the run.json of "
            "these networks, or init: null"
        ) from None
