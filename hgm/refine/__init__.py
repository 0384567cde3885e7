"""SMPL-X refinement: a first estimate, soft silhouettes and normals of a body, and the steps that
fit one to the other."""

from hgm.refine.estimate import PIXIE_MPJPE, Disturbance, Estimate, disturb, place
from hgm.refine.normals import NormalMaps, render_normals
from hgm.refine.refinement import Refined, RefineSettings, place_in_mask, refine_body
from hgm.refine.silhouettes import silhouettes, soft_iou

__all__ = [
    "PIXIE_MPJPE",
    "Disturbance",
    "Estimate",
    "NormalMaps",
    "RefineSettings",
    "Refined",
    "disturb",
    "place",
    "place_in_mask",
    "refine_body",
    "render_normals",
    "silhouettes",
    "soft_iou",
]
