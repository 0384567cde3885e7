"""The free body: a compact asset that expands to complete model files in SMPL-X's format.

Counts, file format and joint tree are SMPL-X's; shape, expression and hand components are its own,
so parameters do not carry over from or to the gated model. All geometry comes from works in the
public domain (resources/standin/NOTICE).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hgm.core import checkout
from hgm.core.files import atomic_write
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.standin.body import correctives, hands
from hgm.standin.body.packing import (
    barycentric,
    both_sides,
    from_grid,
    stored_faces,
    stored_regressor,
    stored_weights,
    unpack,
)
from hgm.standin.body.skeleton import JOINTS, MIRROR, PARENTS, VERTICES

RESOURCES = checkout.RESOURCES / "standin"
ASSET = RESOURCES / "core.npz"  # of all body models
GENDERS = ("neutral", "male", "female")
SHAPE_COLUMNS = 300
EXPRESSION_COLUMNS = 100  # of the file; the stand-in fills the first 20 of each
MARKER = "STANDIN"
MARKER_TEXT = """These body models are free stand-ins in SMPL-X's file format. They are not SMPL-X.
Their shape, expression and hand components differ from SMPL-X's: parameters do not carry over.
Numbers measured with them say nothing about real data. License: CC0 1.0, see LICENSE and NOTICE.
"""


def model(gender: str) -> dict[str, np.ndarray]:
    """All 22 arrays of the stand-in for `SMPLX_<GENDER>.npz`, by SMPL-X's names, lengths in meters;
    read-only, cached.

    The three genders share one topology and one shape basis and differ in `v_template` and
    `posedirs`. Raises InputError for another gender.
    """
    if gender not in GENDERS:
        raise InputError(f"gender: {gender!r} is not one of {', '.join(GENDERS)}")
    return dict(_model(gender))


def write_models(folder: str | Path) -> list[Path]:
    """Write `smplx/SMPLX_{NEUTRAL,MALE,FEMALE}.npz` under `folder`, with STANDIN, LICENSE and
    NOTICE beside `smplx`.

    Equal bytes every time; returns the three files. Raises InputError rather than overwrite models
    that are not ours.
    """
    folder = Path(folder)
    files = [folder / "smplx" / f"SMPLX_{gender.upper()}.npz" for gender in GENDERS]
    if any(file.exists() for file in files) and not is_standin(folder):
        raise InputError(
            f"{folder}: holds body models that are not stand-ins; choose another folder for the "
            "stand-ins"
        )
    write_marker(folder, MARKER_TEXT)
    with Progress("body models", len(files)) as progress:
        for gender, path in progress.each(
            list(zip(GENDERS, files, strict=True)), lambda one: one[0]
        ):
            with atomic_write(path) as file:
                np.savez_compressed(file, **model(gender))
    return files


def write_marker(folder: Path, text: str) -> None:
    """Write STANDIN with this text, LICENSE and NOTICE into a folder of stand-ins."""
    for name in ("LICENSE", "NOTICE"):
        with atomic_write(folder / name, "w") as file:
            file.write((RESOURCES / name).read_text())
    with atomic_write(folder / MARKER, "w") as file:
        file.write(text)


def is_standin(folder: str | Path) -> bool:
    """Whether the body models under `folder` are stand-ins."""
    return (Path(folder) / MARKER).is_file()


def expand(core: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The SMPL-X arrays by gender from the arrays of a compact core (made by
    `tools.standin_recipe.compact`)."""
    shared = _shared_arrays(core)
    return {gender: {**_gendered_arrays(core, shared, gender), **shared} for gender in GENDERS}


def resource(name: str) -> dict[str, np.ndarray]:
    """The arrays of one of the stand-ins' files. Raises InputError where it is missing."""
    path = RESOURCES / name
    try:
        with np.load(path) as data:
            return {key: data[key] for key in data.files}
    except OSError as error:
        raise InputError(
            f"{path}: this part of the stand-ins is missing from this installation ({error})"
        ) from None


@functools.cache
def _core() -> dict[str, np.ndarray]:
    return resource(ASSET.name)


@functools.cache
def _shared() -> dict[str, np.ndarray]:
    return _frozen(_shared_arrays(_core()))


@functools.cache
def _model(gender: str) -> dict[str, np.ndarray]:
    return {**_frozen(_gendered_arrays(_core(), _shared(), gender)), **_shared()}


def _frozen(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _gendered_arrays(
    core: Mapping[str, np.ndarray], shared: Mapping[str, np.ndarray], gender: str
) -> dict[str, np.ndarray]:
    """The two arrays that depend on the gender."""
    planes = unpack(core["template"])  # [3, 3, H]: neutral, then male and female relative to it
    steps = planes[0] if gender == GENDERS[0] else planes[0] + planes[GENDERS.index(gender)]
    template = from_grid(both_sides(steps.T, core["mirror"].astype(np.int64))).astype(np.float64)
    basis = correctives.pose_basis(
        gender, template, shared["J_regressor"] @ template, shared["weights"]
    )
    return {"v_template": template, "posedirs": basis}


def _shared_arrays(core: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Everything but the two arrays that depend on the gender."""
    mirror = core["mirror"].astype(np.int64)
    shapedirs = np.zeros((VERTICES, 3, SHAPE_COLUMNS + EXPRESSION_COLUMNS), np.float32)
    shapes = both_sides(unpack(core["shapes"]).transpose(2, 1, 0), mirror)  # [10475, 3, 20]
    expressions = unpack(core["expressions"]).transpose(2, 1, 0)
    shapedirs[:, :, : shapes.shape[2]] = from_grid(shapes)
    shapedirs[:, :, SHAPE_COLUMNS : SHAPE_COLUMNS + expressions.shape[2]] = from_grid(expressions)
    mean = core["hand_mean"]
    rows = core["hand_components"]
    coefficients = hands.coefficients(mean, rows)
    numbers = np.array({name: i for i, name in enumerate(JOINTS)}, dtype=object)
    return {
        "f": stored_faces(core, mirror),
        "shapedirs": shapedirs,
        "weights": stored_weights(core, mirror, MIRROR),
        "J_regressor": stored_regressor(core, (len(JOINTS), VERTICES)),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(len(PARENTS))], np.uint32),
        "hands_meanl": mean.copy(),
        "hands_meanr": mean * hands.MIRROR,
        "hands_componentsl": rows.copy(),
        "hands_componentsr": rows * hands.MIRROR,
        "hands_coeffsl": coefficients,
        "hands_coeffsr": coefficients.copy(),
        "lmk_faces_idx": core["landmark_face"].astype(np.int64),
        "lmk_bary_coords": barycentric(core["landmark_uv"]),
        "dynamic_lmk_faces_idx": core["contour_face"].astype(np.int64),
        "dynamic_lmk_bary_coords": barycentric(core["contour_uv"]),
        "vt": from_grid(unpack(core["uv"]).T).astype(np.float64),
        "ft": unpack(core["uv_faces"]).T.astype(np.uint32),
        "joint2num": numbers,
        "part2num": numbers.copy(),
        "allow_pickle": np.array(True),
    }
