"""The bodies of the test subjects: sections `estimate` and `refine`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import FileName, Section, described


class FirstEstimate(Section):
    """The bodies that refinement starts from."""

    source: Literal["disturbed", "pixie", "pymafx", "fits"] = described(
        "pixie",
        "first SMPL-X: an estimator to run (paper), files, or the true fit with seeded noise, "
        "which makes a run that is comparable with nothing in the paper",
    )
    pixie: str | None = described(
        None, "checkout of PIXIE with its weights, for source: pixie (docs/estimators.md)"
    )
    pixie_python: FileName = described(
        ".venv/bin/python", "Python of PIXIE's environment, below its checkout or absolute"
    )
    pymafx: str | None = described(
        None, "checkout of PyMAF-X with its weights, for source: pymafx and the variants pymafx*"
    )
    pymafx_python: FileName = described(
        ".venv/bin/python", "Python of PyMAF-X's environment, below its checkout or absolute"
    )
    minutes: float = described(
        5.0, "an estimator is ended after so many minutes times pictures", gt=0
    )
    folder: str | None = described(
        None, "files of PIXIE, PyMAF-X or SMPL-X, for source: fits (docs/estimators.md)"
    )
    mpjpe_mm: float = described(
        80.11, "error of the disturbed fit: PIXIE's on THuman2.0 (paper table 6)", gt=0
    )


class Refine(Section):
    """All numbers of the refinement."""

    iterations: int = described(45, "optimization steps (paper)", ge=1)
    every: int = described(15, "steps between runs of the coarse model (paper)", ge=1)
    sizes: list[Annotated[int, Field(ge=16, le=4096)]] = described(
        [512],
        "width of the silhouettes in pixels from one run of the coarse model to the next; the "
        "last stays (release)",
        min_length=1,
    )
    cell: float = described(
        0.006,
        "edge of the patches of the body's surface that become one splat, in normalized units; 0: "
        "every face (not published)",
        ge=0,
        le=0.1,
    )
    with_body: bool = described(
        True,
        "later runs see the body (paper); off, a coarse model trained for minutes misleads less",
    )
    front: float = described(10.0, "weight of the front silhouette (paper)", ge=0)
    side: float = described(1.0, "weight of the 11 other silhouettes (paper)", ge=0)
    normal: float = described(
        0.5,
        "weight of the normals that a net reads from the photo (paper); 0: no net is run",
        ge=0,
    )
    pose_prior: float = described(
        1e-3, "weight of the squared change of pose (not published)", ge=0
    )
    betas_prior: float = described(
        1e-3, "weight of the squared shape coefficients (not published)", ge=0
    )
    scale_prior: float = described(
        0.0, "weight of the squared log change of scale (not published)", ge=0
    )
    lr_place: float = described(
        1e-2,
        "learning rate of the place, in normalized units, and of the log scale (not published)",
        gt=0,
    )
    lr_orient: float = described(
        2e-2, "learning rate of the global orientation in radians (not published)", gt=0
    )
    lr_betas: float = described(
        1e-2, "learning rate of the shape coefficients (not published)", gt=0
    )
    lr_pose: float = described(
        2e-2, "learning rate of the joints' rotations in radians (not published)", gt=0
    )
    lr_last: float = described(
        0.1,
        "share of the learning rates that is left at the end of a cosine (not published)",
        ge=0,
        le=1,
    )
