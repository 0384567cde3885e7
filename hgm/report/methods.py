"""What was done, in sentences that are filled from the configuration; one whose values are missing is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgm.report.run import Run

Flat = dict[str, Any]


def flatten(config: Mapping[str, Any], prefix: str = "") -> Flat:
    """Nested sections -> `section_key`."""
    flat: Flat = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat[name] = value
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}_")
    return flat


SOURCES = {
    "standin": "The people are free stand-in humans made by this workflow, not scans of the paper's data set.",
    "thuman2": "The people are scans of THuman2.0 with their published SMPL-X fits.",
    "thuman21": "The people are scans of THuman2.1 with their published SMPL-X fits.",
    "customhumans": "The people are scans of CustomHumans with their published SMPL-X fits.",
}
TESTS = {
    "thuman2": "The test people are scans of another data set, THuman2.0.",
    "thuman21": "The test people are scans of another data set, THuman2.1.",
    "customhumans": "The test people are scans of another data set, CustomHumans.",
    "humman": "The test people are sequences of another data set, HuMMan.",
    "views": "The test people are views of another data set.",
}
RENDER = (
    "Each scan was brought into the frame of its SMPL-X fit (pelvis at the origin, facing the first camera) and rendered with "
    "Blender's Cycles from 12 views 30° apart at {rendering_size} px and {rendering_samples} samples a pixel."
)
COARSE = (
    "The coarse HGM (preset “{network_preset}”, {network_precision}) sees the front view and the body. It was trained for "
    "{coarse_steps:,} steps of {coarse_batch} scan(s) with AdamW and a one-cycle schedule (peak learning rate {coarse_lr:g}, "
    "weight decay {coarse_weight_decay:g}, gradients clipped at {coarse_clip:g}), each step compared in "
    "{coarse_supervised} views."
)
LOSS = "The loss is {loss_rgb:g} × squared colour error + {loss_mask:g} × squared mask error"
PAIRS = (
    "The ControlNet learned from back views rendered by the coarse model after {early:.0f} % of its steps, downsampled by "
    "{factors}, next to the true back views."
)
BACK = (
    "At test time the coarse back view is refined by image-to-image diffusion: strength {back_view_strength:g}, "
    "{back_view_steps} steps, guidance {back_view_guidance:g}, control scale {back_view_control_scale:g}."
)
FUSION = (
    "The fusion HGM sees the front and the back view. It was trained for {fusion_steps:,} steps (peak learning rate "
    "{fusion_lr:g}{warm}); {share:.0f} % of its back views were unconverged renders, others were distorted or seen by a "
    "jittered camera."
)
ESTIMATE = {
    "disturbed": "The first body estimate is the true fit with seeded noise of {estimate_mpjpe_mm:g} mm, in place of an "
                 "estimator.",
    "pixie": "The first body estimates are PIXIE's.",
    "pymafx": "The first body estimates are PyMAF-X's.",
    "fits": "The first body estimates were given as files.",
}
REFINE = (
    "It was refined for {refine_iterations} iterations against silhouettes, with the coarse model run again every "
    "{refine_refresh} iterations."
)
MESH = "Meshes were fused from {mesh_cameras} depth renders of {mesh_size} px and refined by normals."
EVALUATE = (
    "Images were measured in the views at 0°, 90°, 180° and 270° over white, surfaces with {evaluate_surface_samples:,} points "
    "a side at 133.3 cm per unit, joints over the first 22 of SMPL-X with the pelvises aligned."
)


def methods(run: Run) -> list[str]:
    """Paragraphs of plain text."""
    flat = flatten(run.config)

    def say(text: str, **more: Any) -> str | None:
        try:
            return text.format(**{**flat, **more})
        except (KeyError, ValueError, TypeError):
            return None

    def percent(key: str) -> Any:
        value = flat.get(key)
        return 100 * value if isinstance(value, int | float) else None

    factors = flat.get("pairs_factors")
    perceptual = bool(flat.get("weights_vgg16") and flat.get("weights_lpips"))
    last = " + {loss_lpips:g} × LPIPS, summed over three sets of Gaussians." if perceptual else (
        " + {loss_structure:g} × (1 − SSIM), summed over three sets of Gaussians; the last term stands in for LPIPS, whose "
        "weights were not given.")
    base = None
    if "base_folder" in flat:
        base = ("It sits on the Stable Diffusion folder named in the configuration." if flat["base_folder"] else
                "It sits on a small latent diffusion model that the workflow trained itself, in place of Stable Diffusion 1.5.")
    data = [SOURCES.get(str(flat.get("scans_source"))), TESTS.get(str(flat.get("scans_test_source"))), say(RENDER)]
    networks = [say(COARSE), say(LOSS + last), say(FUSION, share=percent("fusion_back_share"),
                                                   warm=", from the coarse weights" if flat.get("fusion_warm_start") else "")]
    back = [say(PAIRS, early=percent("coarse_early"), factors=" and ".join(map(str, factors)) if factors else None)
            if factors and "coarse_early" in flat else None, base, say(BACK)]
    body = [say(ESTIMATE.get(str(flat.get("estimate_source")), "{missing}")), say(REFINE), say(MESH)]
    measured = [say(EVALUATE)]
    if "weights" in flat:
        absent = [name for name, there in (("LPIPS", perceptual), ("KID", bool(flat.get("weights_inception")))) if not there]
        if absent:
            verb = "is" if len(absent) == 1 else "are"
            measured.append(f"{' and '.join(absent)} {verb} not available: the published weights were not given.")
    paragraphs = [" ".join(s for s in part if s) for part in (data, networks, back, body, measured)]
    return [p for p in paragraphs if p]
