"""Where the files of a THuman2.0 or THuman2.1 scan lie: the releases' own folders, ICON's, and
those of common copies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hgm.core.keys import file_digest
from hgm.errors import InputError, ScanError

SCAN_FOLDERS = ("THuman2.0_Release", "THuman2.1_Release", "scans", "model", "")
FIT_FOLDERS = ("THuman2.0_Smpl_X_Paras", "fits", "THuman2.0_smplx", "THuman2.1_smplx", "smplx")
FIT_FILE = "smplx_param.pkl"
NAME = re.compile(r"\d{4}")


@dataclass(frozen=True)
class ScanFiles:
    """One scan and the fit of the body to it."""

    name: str  # four digits
    obj: Path
    fit: Path

    def digests(self) -> list[str]:
        """Name and hash of each file that decides what the scan is, for keys. All files beside the
        OBJ count, so that the material and the texture do, whatever their names. Raises
        ScanError."""
        try:
            beside = sorted(path for path in self.obj.parent.iterdir() if path.is_file())
            return [f"{path.name} {file_digest(path)}" for path in [*beside, self.fit]]
        except OSError as error:
            raise ScanError(
                f"{error.filename}: cannot be read ({error.strerror}); scan {self.name} needs it"
            ) from None


def scan_folder(root: str | Path) -> Path:
    """The folder under `root` that holds the scans' folders. Raises InputError when there is
    none."""
    root = Path(root)
    for folder in SCAN_FOLDERS:
        if _names_in(root / folder):
            return root / folder
    raise InputError(
        f"{root}: no scans; expected THuman2.0_Release/0000/0000.obj or 0000/0000.obj in it"
    )


def scan_names(root: str | Path) -> list[str]:
    """Names of all scans under `root`, sorted; a folder `NNNN` counts as a scan even if its files
    are missing."""
    return _names_in(scan_folder(root))


def locate(root: str | Path, name: str, *, fits: str | Path | None = None) -> ScanFiles:
    """The files of scan `name` under `root`; the fit is looked for in `fits`, or else beside the
    scans.

    Raises ScanError when the scan or its fit is not there.
    """
    folder = scan_folder(root)
    obj = folder / name / f"{name}.obj"
    if not obj.is_file():
        raise ScanError(f"{obj}: no such file; copy scan {name} again")
    candidates = (
        [Path(fits) / name / FIT_FILE] if fits is not None else fit_places(root, folder, name)
    )
    for fit in candidates:
        if fit.is_file():
            return ScanFiles(name, obj, fit)
    raise ScanError(
        f"{candidates[0]}: no such file; the fit of scan {name} is needed (THuman2.0_Smpl_X_Paras)"
    )


def fit_places(root: str | Path, folder: Path, name: str) -> list[Path]:
    """Where the fit of scan `name` may lie, `folder` being the scans' own below `root`; the
    release's place comes first."""
    parents = list(dict.fromkeys((Path(root), folder, folder.parent)))
    return [parent / kind / name / FIT_FILE for parent in parents for kind in FIT_FOLDERS]


def _names_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        entry.name for entry in folder.iterdir() if NAME.fullmatch(entry.name) and entry.is_dir()
    )
