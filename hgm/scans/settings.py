"""The people of a run: section `scans` of a configuration."""

from __future__ import annotations

from typing import Literal

from hgm.core.settings import Section, described

DataSet = Literal["thuman2", "thuman21", "customhumans", "humman", "views"]
Gender = Literal["male", "female", "neutral"]


class Scans(Section):
    """A data set, or stand-ins, and which of its scans are for training, validation and test."""

    source: Literal["standin", DataSet] = described(
        "standin",
        "standin: free stand-in humans that the run makes; else a data set of docs/data-sets.md",
    )
    root: str | None = described(
        None, "folder of the data set; null for stand-ins, which the run makes"
    )
    models: str | None = described(
        None, "folder with smplx/SMPLX_*.npz; null for stand-ins, whose model the run makes"
    )
    gender: Gender = described(
        "male", "SMPL-X model of the fits; neutral for THuman2.0's fits of 2024 and for HuMMan"
    )
    train: str = described(
        "0000-0499",
        "training scans: ids and ranges, or the name of a .txt file with one id in a line (paper)",
    )
    val: str = described(
        "0500-0504", "validation scans, for pictures and a curve during training; never trained on"
    )
    test: str = described(
        "0505-0525", "test scans, which are reconstructed and measured; never trained on (paper)"
    )
    test_source: DataSet | None = described(
        None, "data set of the test scans; null: the same as source"
    )
    test_root: str | None = described(None, "folder of the data set of the test scans")
    test_gender: Gender | None = described(
        None, "SMPL-X model of the fits of the test scans; null: the same as gender"
    )
    chunk: int = described(
        25, "scans in a chunk, which one job makes or renders; its work should take minutes", ge=1
    )
    texture: int = described(1024, "edge of a stand-in's texture in pixels", ge=128)
