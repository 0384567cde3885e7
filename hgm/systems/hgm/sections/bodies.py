"""The bodies of the test subjects: sections `estimate` and `refine`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import FileName, Section, described


class FirstEstimate(Section):
    """The bodies that refinement starts from."""

    source: Literal["disturbed", "landmarks", "pixie", "pymafx", "fits"] = described(
        "pixie",
        "source of the first SMPL-X: an estimator to run (paper), the landmarks of MediaPipe Pose "
        "(landmarks), which need nothing else, files (fits), or the true fit with seeded noise "
        "(disturbed), whose results cannot be compared with the paper",
    )
    pixie: str | None = described(
        None, "checkout of PIXIE with its weights, for source: pixie (docs/estimators.md)"
    )
    pixie_python: FileName = described(
        ".venv/bin/python", "Python of PIXIE's environment, relative to its checkout or absolute"
    )
    pymafx: str | None = described(
        None, "checkout of PyMAF-X with its weights, for source: pymafx and the variants pymafx*"
    )
    pymafx_python: FileName = described(
        ".venv/bin/python", "Python of PyMAF-X's environment, relative to its checkout or absolute"
    )
    minutes: float = described(5.0, "time limit of an estimator, in minutes for each picture", gt=0)
    folder: str | None = described(
        None, "folder with files of PIXIE, PyMAF-X or SMPL-X, for source: fits (docs/estimators.md)"
    )
    mpjpe_mm: float = described(
        80.11, "MPJPE of the disturbed fit in mm: PIXIE's on THuman2.0 (paper table 6)", gt=0
    )


class Refine(Section):
    """All settings of the refinement."""

    iterations: int = described(45, "optimization steps (paper)", ge=1)
    every: int = described(15, "steps between runs of the coarse model (paper)", ge=1)
    sizes: list[Annotated[int, Field(ge=16, le=4096)]] = described(
        [512],
        "width of the silhouettes in pixels after each run of the coarse model; the last value "
        "holds for all further runs (release)",
        min_length=1,
    )
    cell: float = described(
        0.006,
        "edge of the patches of the body's surface that become one splat each, in normalized "
        "units; 0: a splat for every face (not published)",
        ge=0,
        le=0.1,
    )
    with_body: bool = described(
        True,
        "give the current body to later runs of the coarse model (paper); off is better for a "
        "model trained for minutes",
    )
    front: float = described(10.0, "weight of the front silhouette (paper)", ge=0)
    side: float = described(1.0, "weight of the 11 other silhouettes (paper)", ge=0)
    normal: float = described(
        0.5,
        "weight of the normals that a net predicts from the photo (paper); 0: no net is run",
        ge=0,
    )
    pose_prior: float = described(
        1e-3, "weight of the squared change of the pose, in radians (not published)", ge=0
    )
    betas_prior: float = described(
        1e-3, "weight of the squared shape coefficients (not published)", ge=0
    )
    keypoints: float = described(
        0.5,
        "weight of the landmarks that the first estimate comes with, where it does (not published)",
        ge=0,
    )
    scale_prior: float = described(
        0.0, "weight of the squared logarithm of the change of scale (not published)", ge=0
    )
    lr_place: float = described(
        1e-2,
        "learning rate of the position, in normalized units, and of the log scale (not published)",
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
        "share of the learning rates at the end of their cosine schedule (not published)",
        ge=0,
        le=1,
    )
