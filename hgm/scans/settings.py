"""Which people a run is of: the section `scans` of a configuration."""

from __future__ import annotations

from typing import Literal

from hgm.core.settings import Section, described

DataSet = Literal["thuman2", "thuman21", "customhumans", "humman", "views"]
Gender = Literal["male", "female", "neutral"]


class Scans(Section):
    """A data set, or stand-ins, and who of it is trained on, watched and measured."""

    source: Literal["standin", DataSet] = described(
        "standin", "free stand-in humans made here, or a data set of docs/data-sets.md"
    )
    root: str | None = described(None, "folder of the data set; stand-ins make their own")
    models: str | None = described(
        None, "folder that holds smplx/SMPLX_*.npz; stand-ins make their own"
    )
    gender: Gender = described(
        "male", "SMPL-X file of the fits; neutral for those of 2024 and HuMMan"
    )
    train: str = described(
        "0000-0499", "ids and ranges, or the name of a .txt file with one id a line (paper)"
    )
    val: str = described(
        "0500-0504", "scans for the validation pictures and curve, never trained on"
    )
    test: str = described(
        "0505-0525", "scans that are reconstructed and measured, never trained on (paper)"
    )
    test_source: DataSet | None = described(
        None, "data set of the test scans, where it is not that of the others"
    )
    test_root: str | None = described(None, "folder of the data set of the test scans")
    test_gender: Gender | None = described(None, "SMPL-X file of their fits; null: as gender")
    chunk: int = described(
        25, "scans that one job makes and renders; a chunk should last minutes", ge=1
    )
    texture: int = described(1024, "edge of a stand-in's texture in pixels", ge=128)
