"""PIXIE and PyMAF-X as programs: what a checkout must hold, the command line, and the files that it
writes.

Both are the user's own checkouts, with weights that only their publishers may give away, in
environments of their own. The facts are those of yfeng95/PIXIE at 5c8879b (demos/demo_fit_body.py)
and HongwenZhang/PyMAF-X at a6fef4d (apps/demo_smplx.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgm.core.keys import digest
from hgm.errors import InputError

# folders of a run of a program, with names that no program stumbles over
PICTURES = "pictures"
RESULTS = "results"


@dataclass(frozen=True)
class Program:
    """One estimator. Patterns hold `{0}` for the name of a picture without its suffix."""

    name: str  # of its key in the configuration and of the folder of its bodies
    title: str  # in labels
    needs: tuple[str, ...]  # files below a checkout, weights included
    # after the interpreter, in the checkout; {pictures}, {results} and {device} are put in
    arguments: tuple[str, ...]
    # what it writes below RESULTS for a picture -> where the reader looks for it
    written: Mapping[str, str]

    def command(self, python: Path, folder: Path, device: str) -> list[str]:
        """The command line for the pictures in `folder`/PICTURES; `device` is `cpu` or `cuda`, with
        a number or without."""
        put_in = {
            "pictures": folder / PICTURES,
            "results": folder / RESULTS,
            "device": "cuda:0" if device == "cuda" else device,
        }
        return [str(python), *(argument.format_map(put_in) for argument in self.arguments)]

    def files(self, folder: Path, picture: str) -> dict[str, Path]:
        """The files of one picture after a run in `folder`, whether there or not, by their place
        for the reader."""
        return {
            place.format(picture): folder / RESULTS / made.format(picture)
            for made, place in self.written.items()
        }


PIXIE = Program(
    "pixie",
    "PIXIE",
    needs=(
        "demos/demo_fit_body.py",
        "data/pixie_model.tar",
        "data/SMPLX_NEUTRAL_2020.npz",
        "data/SMPL_X_template_FLAME_uv.obj",
        "data/flame2smplx_tex_1024.npy",
    ),
    arguments=(
        "demos/demo_fit_body.py",
        "-i",
        "{pictures}",
        "-s",
        "{results}",
        "--device",
        "{device}",
        "--saveParam",
        "True",
        "--savePred",
        "True",
        "--saveVis",
        "False",
        "--useTex",
        "False",
        "--lightTex",
        "False",
    ),
    written={
        "{0}/{0}_param.pkl": "{0}/{0}_param.pkl",
        "{0}/{0}_prediction.pkl": "{0}/{0}_prediction.pkl",
    },
)
PYMAFX = Program(
    "pymafx",
    "PyMAF-X",
    needs=(
        "apps/demo_smplx.py",
        "data/pretrained_model/PyMAF-X_model_checkpoint_v1.1.pt",
        "data/smpl_mean_params.npz",
        "data/smpl/SMPLX_NEUTRAL_2020.npz",
    ),
    arguments=(
        "-m",
        "apps.demo_smplx",
        "--image_folder",
        "{pictures}",
        "--output_folder",
        "{results}",
        "--no_render",
        "--detection_threshold",
        "0.3",
        "--pretrained_model",
        "data/pretrained_model/PyMAF-X_model_checkpoint_v1.1.pt",
        "--misc",
        "TRAIN.BHF_MODE",
        "full_body",
        "MODEL.PyMAF.HAND_VIS_TH",
        "0.1",
    ),
    # of all pictures; a folder called like theirs
    written={f"{PICTURES}/output.pkl": "output.pkl"},
)
PROGRAMS = {program.name: program for program in (PIXIE, PYMAFX)}


@dataclass(frozen=True)
class Installed:
    """A program where the configuration says that it is."""

    program: Program
    checkout: Path
    python: Path  # of its environment

    @classmethod
    def configured(cls, name: str, section: Mapping[str, Any]) -> Installed:
        """By section `estimate` of the configuration, whether there or not. Raises InputError where
        that names no checkout."""
        program = PROGRAMS[name]
        key = f"estimate.{name}"
        if section[name] is None:
            raise InputError(
                f"{key}: null; {program.title} is to estimate the first bodies: set the folder of "
                "its checkout, which docs/estimators.md tells how to make"
            )
        checkout = Path(section[name]).absolute()
        return cls(program, checkout, checkout / section[f"{name}_python"])

    @classmethod
    def of(cls, name: str, section: Mapping[str, Any]) -> Installed:
        """The same. Raises InputError naming the key of what is not there."""
        found = cls.configured(name, section)
        title = found.program.title
        missing = next((file for file in found.files if not file.is_file()), None)
        if missing is not None:
            raise InputError(
                f"estimate.{name}: {missing} does not exist; expected the checkout of {title} "
                "with its weights (docs/estimators.md)"
            )
        if not os.access(found.python, os.X_OK):
            raise InputError(
                f"estimate.{name}_python: {found.python} is no program; expected the Python of "
                f"{title}'s environment (docs/estimators.md)"
            )
        return found

    @property
    def files(self) -> list[Path]:
        """What decides the results, besides the pictures."""
        return [self.checkout / file for file in self.program.needs]


def picture_name(person: str) -> str:
    """What the picture of a person is called for a program, without its suffix: programs cut names
    at dots."""
    return person if re.fullmatch(r"[A-Za-z0-9_-]+", person) else f"p{digest(person)[:12]}"
