"""How the files of a clip lie in its folder: those of IMavatar's format, and what a stand-in's clip
has besides. Without torch, since plans name these files."""

from __future__ import annotations

from pathlib import Path

PARAMETERS = "flame_params.json"
KINDS = ("image", "mask", "semantic")  # of pictures: `<kind>/<k>.png`
# pictures of some frames by other cameras, `held_out/<camera>/<k>.png`, and the list of both
HELD_OUT = "held_out"
HELD_OUT_LIST = "held_out.json"
TRUTH = "truth.json"  # the parameters without the errors that were asked for


def pictures_in(folder: Path) -> list[Path]:
    """All pictures in a clip's folder, of its own and of other cameras, and the list of the latter;
    sorted."""
    found = [file for kind in KINDS for file in (folder / kind).glob("*.png")]
    found += (folder / HELD_OUT).glob("*/*.png")
    found += folder.glob(HELD_OUT_LIST)
    return sorted(found)
