"""Where the files of a CustomHumans scan lie (custom-humans/editable-humans, README and
tools/prepare_dataset.py).

The download has `mesh/<folder>/` with mesh-f00101.obj, .mtl and .png, and `smplx/<folder>/` with
mesh-f00101.json and mesh-f00101_smpl.obj; a folder's name starts with the four digits of the scan,
up to the first underscore. The prepared training set has all of it in one folder `<scan>/`.
"""

from __future__ import annotations

import re
from pathlib import Path

from hgm.errors import InputError, ScanError
from hgm.scans.thuman import ScanFiles

SCANS = "mesh"
FITS = "smplx"
FOLDER = re.compile(r"(\d{4})(_.*)?")
BODY = "_smpl.obj"  # ends the name of the mesh of the fitted body


def locate_custom(root: str | Path, name: str) -> ScanFiles:
    """The files of scan `name` under `root`. Raises ScanError when the scan or its fit is not
    there."""
    folder = _folders(Path(root)).get(name)
    if folder is None:
        raise ScanError(f"{_home(Path(root)) / name}: no such folder; copy scan {name} again")
    obj = _one(
        folder, [p for p in folder.glob("mesh-f*.obj") if not p.name.endswith(BODY)], "mesh-f….obj"
    )
    other = folder.parent.parent / FITS / folder.name
    places = [folder / f"{obj.stem}.json", other / f"{obj.stem}.json"]
    for fit in places:
        if fit.is_file():
            return ScanFiles(name, obj, fit)
    raise ScanError(f"{places[0]}: no such file, nor {places[1]}; the fit of scan {name} is needed")


def _home(root: Path) -> Path:
    return root / SCANS if (root / SCANS).is_dir() else root


def _folders(root: Path) -> dict[str, Path]:
    home = _home(root)
    entries = sorted(entry for entry in home.iterdir() if entry.is_dir()) if home.is_dir() else []
    found = {match[1]: entry for entry in entries if (match := FOLDER.fullmatch(entry.name))}
    if not found:
        raise InputError(
            f"{root}: no scans; expected mesh/0003…/mesh-f00101.obj or 0003/mesh-f00101.obj in it"
        )
    return found


def _one(folder: Path, found: list[Path], wanted: str) -> Path:
    if len(found) != 1:
        raise ScanError(f"{folder}: {len(found)} files {wanted}, expected one")
    return found[0]
