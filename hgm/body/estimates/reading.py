"""Read a file of an estimator, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from hgm.body.estimates import pixie, pymafx, smplx_files
from hgm.body.estimates.detected import DetectedBody
from hgm.body.model import BodyModel
from hgm.core.joblib_pickles import load_joblib
from hgm.core.npz import read_npz
from hgm.errors import InputError

Format = Literal["PIXIE", "PyMAF-X", "SMPL-X"]


def read_estimate(path: str | Path, model: BodyModel, subject: str) -> DetectedBody:
    """The body of a subject in a file of PIXIE, of PyMAF-X or of SMPL-X parameters, as parameters
    of `model`.

    Raises InputError naming the file and the key that is missing, misshapen or of no use.
    """
    path = Path(path)
    data, form = open_estimate(path)
    if form == "PIXIE":
        return pixie.read_pixie(path, data, model)
    if form == "PyMAF-X":
        return pymafx.read_pymafx(path, data, model, subject)
    return smplx_files.read_smplx(path, data, model)


def open_estimate(path: Path) -> tuple[Mapping[str, Any], Format]:
    """The content of an estimate's file by name and its format, told by the names. Raises
    InputError for any other file."""
    data = (
        read_npz(path, what="npz file of body parameters")
        if path.suffix == ".npz"
        else load_joblib(path)
    )
    if not isinstance(data, Mapping):
        raise InputError(
            f"{path}: holds a {type(data).__name__}, expected parameters of a body by name"
        )
    keys = set(data)
    if keys >= pixie.TELLING:
        return data, "PIXIE"
    if keys >= pymafx.TELLING:
        return data, "PyMAF-X"
    missing = sorted(smplx_files.TELLING - keys)
    if missing:
        raise InputError(
            f"{path}: the key {missing[0]} is missing; expected parameters of SMPL-X, or a file "
            "of PIXIE or PyMAF-X"
        )
    return data, "SMPL-X"


def check_estimate(path: Path, subject: str) -> None:
    """Raises InputError where a file of an estimator is not whole or has nobody of the photo
    `subject`; a quick look, without a body model."""
    data, form = open_estimate(path)
    if form == "PIXIE":
        pixie.predicted_vertices(path)
    if form == "PyMAF-X":
        pymafx.person_of(data, path, subject)
