"""What is measured: section `evaluate`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from hgm.core.settings import FileName, Section, described
from hgm.systems.hgm.variants import RENDER

VariantName = Literal[
    "full",
    "no_body",
    "no_refine",
    "one_view",
    "no_diffusion",
    "front_only",
    "pymafx",
    "pymafx_front_only",
]


class Evaluate(Section):
    """Which variants and other methods are measured, and on how many points."""

    variants: list[VariantName] = described(
        ["full", "no_body", "no_refine", "one_view", "no_diffusion", "front_only"],
        "variants to run, the rows of the ablation (paper tables 4 and 6)",
    )
    surface_samples: int = described(
        100_000, "points on each mesh for distances and normal consistency (not published)", ge=100
    )
    baselines: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], FileName] = (
        described(
            {},
            "other methods to measure by the same code: name and folder of results of each "
            "(docs/baselines.md)",
        )
    )

    @field_validator("variants")
    @classmethod
    def _once_each(cls, names: list[str]) -> list[str]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]} stands there twice")
        return names

    @field_validator("baselines")
    @classmethod
    def _free_names(cls, folders: dict[str, str]) -> dict[str, str]:
        variants = get_args(VariantName)
        for name in folders.keys() & {
            *variants,
            *(v + RENDER for v in variants),
            "coarse",
            "textured_body",
            "copy_nearest",
        }:
            raise ValueError(f"{name} is the name of a row of this workflow's own; take another")
        return folders
