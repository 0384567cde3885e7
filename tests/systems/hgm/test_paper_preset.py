"""The defaults and the paper's preset against the paper's and the release's constants, one line
each, with the place that says so."""

from typing import Any

import pytest
from checkouts import ROOT

from hgm.core.settings import Section
from hgm.workflow.configuration import load, parse

PRESET = load(ROOT / "config/hgm/thuman2.yaml")
DEFAULTS = parse({"system": "hgm"})
MACHINE = ("coarse.gpus", "fusion.gpus")  # a default asks for one GPU, the preset for the paper's
CONSTANTS: list[tuple[str, Any, str]] = [
    ("scans.train", "0000-0499", "paper: 500 scans"),
    ("scans.test", "0505-0525", "SIFU's split, which the paper follows"),
    ("rendering.size", 512, "section 4"),
    ("network.preset", "paper", "appendix: layers and widths"),
    ("loss.rgb", 1.0, "equation 6"),
    ("loss.mask", 1.0, "equation 6"),
    ("loss.lpips", 1.0, "equation 6"),
    ("coarse.steps", 37500, "release: 300 epochs of 500 scans, four at a time"),
    ("coarse.batch", 1, "section 3.6: four GPUs, one scan each"),
    ("coarse.accumulate", 4, "section 3.6"),
    ("coarse.gpus", 4, "section 3.6"),
    ("coarse.lr", 4e-4, "release"),
    ("coarse.warmup", 0.02, "release"),
    ("coarse.weight_decay", 0.05, "release"),
    ("coarse.clip", 1.0, "release"),
    ("coarse.supervised", 12, "section 4: 12 views"),
    ("coarse.turn", False, "release"),
    ("fusion.steps", 37500, "release: as the coarse model"),
    ("fusion.batch", 1, "section 3.6: four GPUs, one scan each"),
    ("fusion.accumulate", 4, "section 3.6"),
    ("fusion.gpus", 4, "section 3.6"),
    ("fusion.lr", 4e-4, "release"),
    ("fusion.warmup", 0.02, "release"),
    ("fusion.supervised", 12, "section 4: 12 views"),
    ("fusion.warm_start", False, "section 3.5: trained apart"),
    ("fusion.back_share", 0.0, "section 3.5: the true back view"),
    ("fusion.distortion", 0.5, "release"),
    ("fusion.jitter", 0.5, "release"),
    ("controlnet.lr", 1e-5, "paper"),
    ("controlnet.timesteps", 1000, "equation 4: all diffusion times"),
    ("controlnet.crop", None, "equation 4: whole images"),
    ("back_view.strength", 0.2, "release"),
    ("back_view.steps", 100, "release"),
    ("back_view.guidance", 5.0, "release"),
    ("back_view.control_scale", 1.0, "not published: the community pipeline's default"),
    ("back_view.seed", 22, "release"),
    ("back_view.prompt", "Best quality", "paper"),
    ("refine.iterations", 45, "section 3.2"),
    ("refine.every", 15, "section 3.2"),
    ("refine.sizes", [512], "release"),
    ("refine.with_body", True, "section 3.2"),
    ("refine.front", 10.0, "section 3.2"),
    ("refine.side", 1.0, "section 3.2"),
    ("refine.normal", 0.5, "section 3.2"),
    ("mesh.size", 512, "release"),
    ("mesh.voxel", 3 / 512, "release"),
    ("mesh.truncation", 0.05, "release"),
    ("mesh.min_triangles", 200, "release"),
    ("mesh.smoothing", 5, "release"),
    ("reconstruct.size", 512, "section 4"),
]


@pytest.mark.parametrize(("key", "value", "place"), CONSTANTS, ids=[key for key, _, _ in CONSTANTS])
def test_constant(key: str, value: Any, place: str) -> None:
    for config in (PRESET, *([] if key in MACHINE else [DEFAULTS])):
        section, name = key.split(".")
        assert getattr(getattr(config, section), name) == value, place


def test_a_constant_is_marked_as_what_it_is() -> None:
    """The page of the configuration says whose value a default is."""
    unmarked = []
    for key, _, place in CONSTANTS:
        section, name = key.split(".")
        text = type(getattr(DEFAULTS, section)).model_fields[name].description or ""
        whose = next((w for w in ("release", "not published") if w in place), "paper")
        if key not in MACHINE and f"({whose}" not in text:
            unmarked.append((key, text, place))
    assert unmarked == []


def test_what_the_preset_changes_is_its_own_or_a_deviation() -> None:
    """Besides data, weights and GPUs."""
    text = (ROOT / "docs" / "deviations.md").read_text()
    free = {"run", "system", "device", "scans", "weights"}
    files = {"base.folder", "controlnet.tile", "estimate.pixie", *MACHINE}
    changed = [
        f"{name}.{key}"
        for name in set(type(PRESET).model_fields) - free
        if isinstance(section := getattr(PRESET, name), Section)
        for key in type(section).model_fields
        if getattr(section, key) != getattr(getattr(DEFAULTS, name), key)
    ]
    assert [k for k in sorted(changed) if k not in files and f"`{k}`" not in text] == []
    assert "mesh.cameras" in changed


def test_what_is_not_the_papers_is_in_the_list_of_deviations() -> None:
    """Settings that differ from the demo in the preset are the paper's, or stand in
    docs/deviations.md, or are not published."""
    text = (ROOT / "docs" / "deviations.md").read_text()
    # whose people, how large, whose files
    free = {"run", "scans", "rendering", "reconstruct", "weights", "base", "network"}
    listed = {key for key, _, _ in CONSTANTS}
    # how often one looks; of the ControlNet: not published; whose files; which rows
    schedule = {"validate_every", "batch", "schedule", "pixie", "variants"}
    demo = parse({})
    unsaid = []
    for name in type(PRESET).model_fields:
        mine = getattr(PRESET, name)
        theirs = getattr(demo, name)
        if name in free or not isinstance(mine, Section):
            continue
        for key in type(mine).model_fields:
            moved = (
                getattr(mine, key) != getattr(theirs, key)
                and f"{name}.{key}" not in listed
                and key not in schedule
            )
            if moved and not any(f"`{said}`" in text for said in (f"{name}.{key}", key, name)):
                unsaid.append(f"{name}.{key}")
    assert unsaid == []
