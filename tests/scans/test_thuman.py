"""Scans and fits are found in the layouts that are about."""

from pathlib import Path

import pytest

from hgm.errors import InputError, ScanError
from hgm.scans.thuman import locate, scan_names


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("scans", "fits", "root"),
    [
        ("THuman2.0_Release", "THuman2.0_Smpl_X_Paras", "."),
        ("scans", "fits", "."),
        (".", "smplx", "."),
        ("THuman2.0_Release", "THuman2.0_smplx", "."),
        ("THuman2.0_Release", "THuman2.0_Smpl_X_Paras", "THuman2.0_Release"),
    ],
)
def test_layouts(tmp_path: Path, scans: str, fits: str, root: str) -> None:
    for name in ("0007", "0003"):
        obj = put(tmp_path / scans / name / f"{name}.obj")
        fit = put(tmp_path / fits / name / "smplx_param.pkl")
    assert scan_names(tmp_path / root) == ["0003", "0007"]
    files = locate(tmp_path / root, "0003")
    assert files.name == "0003" and files.obj.samefile(obj) and files.fit.samefile(fit)


def test_fits_elsewhere(tmp_path: Path) -> None:
    obj = put(tmp_path / "a/0000/0000.obj")
    fit = put(tmp_path / "b/0000/smplx_param.pkl")
    files = locate(tmp_path / "a", "0000", fits=tmp_path / "b")
    assert (files.obj, files.fit) == (obj, fit)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scans"):
        scan_names(tmp_path)
    put(tmp_path / "0000/0000.obj")
    with pytest.raises(ScanError, match=r"0000/smplx_param\.pkl: no such file"):
        locate(tmp_path, "0000")
    with pytest.raises(ScanError, match=r"0001/0001\.obj: no such file"):
        locate(tmp_path, "0001")
