"""The method of a run in sentences that are filled from its configuration; a sentence whose
sections are missing is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from hgm.rig import VIEWS
from hgm.scans.catalogue import data_of
from hgm.scans.data_views import GIVEN, view_count
from hgm.systems.hgm.report.run import Run

SOURCES = {
    "standin": "The people are free stand-in humans made by this workflow, not scans of the "
    "paper's data set.",
    "thuman2": "The people are scans of THuman2.0 with their published SMPL-X fits.",
    "thuman21": "The people are scans of THuman2.1 with their published SMPL-X fits.",
    "customhumans": "The people are scans of CustomHumans with their published SMPL-X fits.",
    "humman": "The people are sequences of HuMMan with their published SMPL fits.",
    "views": "The people were given as views with their SMPL-X bodies.",
}
TESTS = {
    "thuman2": "The test people are scans of another data set, THuman2.0.",
    "thuman21": "The test people are scans of another data set, THuman2.1.",
    "customhumans": "The test people are scans of another data set, CustomHumans.",
    "humman": "The test people are sequences of another data set, HuMMan.",
    "views": "The test people are views of another data set.",
}
RENDER = (
    "Each scan was brought into the frame of its SMPL-X fit (pelvis at the origin, facing the "
    "first camera) and rendered with Blender's Cycles from 12 views 30° apart at "
    "{rendering[size]} px and {rendering[samples]} samples a pixel."
)
COARSE = (
    "The coarse HGM (preset “{network[preset]}”, {network[precision]}) sees the front view and "
    "the body. It was trained for {coarse[steps]:,} steps of {coarse[batch]} scan(s) with AdamW "
    "and a one-cycle schedule (peak learning rate {coarse[lr]:g}, weight decay "
    "{coarse[weight_decay]:g}, gradients clipped at {coarse[clip]:g}), each step compared in "
    "{supervised} views."
)
LOSS = "The loss is {loss[rgb]:g} × squared color error + {loss[mask]:g} × squared mask error"
PAIRS = (
    "The ControlNet learned from back views rendered by the coarse model after {early:.0f} % of "
    "its steps, downsampled by {factors}, next to the true back views."
)
BACK = (
    "At test time the coarse back view is refined by image-to-image diffusion: strength "
    "{back_view[strength]:g}, {back_view[steps]} steps, guidance {back_view[guidance]:g}, control "
    "scale {back_view[control_scale]:g}."
)
FUSION = (
    "The fusion HGM sees the front and the back view. It was trained for {fusion[steps]:,} steps "
    "(peak learning rate {fusion[lr]:g}{warm}). {backs}."
)
ESTIMATE = {
    "disturbed": "The first body estimate is the true fit with seeded noise of "
    "{estimate[mpjpe_mm]:g} mm, in place of an estimator.",
    "landmarks": "The first body estimates were fitted to landmarks of MediaPipe Pose.",
    "pixie": "The first body estimates are PIXIE's.",
    "pymafx": "The first body estimates are PyMAF-X's.",
    "fits": "The first body estimates were given as files.",
}
REFINE = (
    "It was refined for {refine[iterations]} iterations against silhouettes of {sizes} "
    "px{normals}, with the coarse model run again every {refine[every]} iterations{body}."
)
MESH = "Meshes were fused from {mesh[cameras]} depth renders of {mesh[size]} px{refined}."
FOUR = "the views at 0°, 90°, 180° and 270°"
OTHERS = "every view but the input's own"
EVALUATE = (
    "Images were measured in {views} over white, surfaces with {evaluate[surface_samples]:,} "
    "points a side at 133.3 cm per unit, joints over the first 22 of SMPL-X with the pelvises "
    "aligned."
)

BACKENDS = {"splat": "Splatting", "sparse": "sparse convolution"}
PLAIN = {"torch": "plain torch"}


def say(config: Mapping[str, Any], text: str, **more: Any) -> str | None:
    """A sentence with the values of `{section[key]}` and of `more` filled in; None where the
    configuration lacks one of the sections. Raises KeyError where a section lacks the key."""
    fields = {re.split(r"[\[.]", name)[0] for _, name, _, _ in Formatter().parse(text) if name}
    return text.format(**{**config, **more}) if fields <= config.keys() | more.keys() else None


def _loss(config: Mapping[str, Any]) -> str:
    if config["weights"]["vgg16"] and config["weights"]["lpips"]:
        return " + {loss[lpips]:g} × LPIPS, summed over three sets of Gaussians."
    return (
        " + {loss[structure]:g} × (1 − SSIM), summed over three sets of Gaussians; the last term "
        "stands in for LPIPS, whose weights were not given."
    )


def _back_views(fusion: Mapping[str, Any]) -> str:
    """The back views that the fusion was trained with."""
    share = fusion["back_share"]
    parts = []
    first = (
        "Its back views were the true ones"
        if share == 0
        else "Its back views were unconverged renders"
        if share == 1
        else f"Of its back views {100 * share:.0f} % were unconverged renders and the others the "
        "true ones"
    )
    if fusion["distortion"] > 0:
        parts.append(f"{100 * fusion['distortion']:.0f} % were distorted")
    if fusion["jitter"] > 0:
        parts.append(f"{100 * fusion['jitter']:.0f} % came with the rays of a jittered camera")
    return "; ".join([first, *([" and ".join(parts)] if parts else [])])


def _refinement(refine: Mapping[str, Any]) -> dict[str, str]:
    return {
        "sizes": ", then ".join(map(str, refine["sizes"])),
        "normals": " and the normals that a net reads from the photo"
        if refine["normal"] > 0
        else "",
        "body": " with the body as it was then" if refine["with_body"] else ", without the body",
    }


def _base(base: Mapping[str, Any]) -> str:
    if base["folder"]:
        return "It sits on the Stable Diffusion folder named in the configuration."
    return (
        "It sits on a small latent diffusion model that the workflow trained itself, in place "
        "of Stable Diffusion 1.5."
    )


def _absent(weights: Mapping[str, Any]) -> str | None:
    """Which metrics are missing in the run, for lack of weights."""
    absent = [
        name
        for name, keys in (("LPIPS", ("vgg16", "lpips")), ("KID", ("inception",)))
        if not all(weights[k] for k in keys)
    ]
    if not absent:
        return None
    return (
        f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not available: the "
        "published weights were not given."
    )


def _backends(run: Run) -> str | None:
    """Which backends splatted and computed sparse convolutions; with the rules of each, where rules
    used different ones."""
    parts = []
    for kind, title in BACKENDS.items():
        used = run.backends.get(kind, {})
        names = [
            PLAIN.get(name, name) + (f" ({', '.join(rules)})" if len(used) > 1 else "")
            for name, rules in used.items()
        ]
        if names:
            parts.append(f"{title}: {' and '.join(names)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def measured_views(run: Run) -> str:
    """The views in which images were measured (hgm.images.viewpoints)."""
    found = {
        FOUR if s.viewpoints.front in s.viewpoints.measured else OTHERS
        for s in run.main
        if s.viewpoints
    }
    return " or ".join(sorted(found)) or "the measured views"


def methods(run: Run) -> list[str]:
    """Paragraphs of plain text. Raises KeyError where a section of the configuration lacks a key
    that a sentence uses."""
    config = run.config
    scans, networks, back, body, measured = ([] for _ in range(5))
    if "scans" in config:
        source = config["scans"]["source"]
        scans = [
            SOURCES[source],
            TESTS.get(config["scans"]["test_source"]),
            None if source in GIVEN else say(config, RENDER),
        ]
    if {"network", "coarse"} <= config.keys():
        most = view_count(data_of(config["scans"], "train")) if "scans" in config else VIEWS
        networks.append(say(config, COARSE, supervised=min(config["coarse"]["supervised"], most)))
    if {"loss", "weights"} <= config.keys():
        networks.append(say(config, LOSS + _loss(config)))
    if "fusion" in config:
        warm = ", from the coarse weights" if config["fusion"]["warm_start"] else ""
        networks.append(say(config, FUSION, warm=warm, backs=_back_views(config["fusion"])))
    if {"coarse", "pairs"} <= config.keys():
        factors = " and ".join(map(str, config["pairs"]["factors"]))
        back.append(say(config, PAIRS, early=100 * config["coarse"]["early"], factors=factors))
    if "base" in config:
        back.append(_base(config["base"]))
    back.append(say(config, BACK))
    if "estimate" in config:
        body.append(say(config, ESTIMATE[config["estimate"]["source"]]))
    if "refine" in config:
        body.append(say(config, REFINE, **_refinement(config["refine"])))
    if "mesh" in config:
        body.append(
            say(
                config,
                MESH,
                refined=" and refined by normals" if config["mesh"]["refine_steps"] else "",
            )
        )
    measured.append(say(config, EVALUATE, views=measured_views(run)))
    if "weights" in config:
        measured.append(_absent(config["weights"]))
    worked = [_backends(run)]
    paragraphs = [
        " ".join(s for s in part if s) for part in (scans, networks, back, body, measured, worked)
    ]
    return [p for p in paragraphs if p]
