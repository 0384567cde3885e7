"""How the files of a clip lie in its folder: those of IMavatar's format, and what a stand-in's clip
has besides. Without torch, since plans name these files."""

from __future__ import annotations

from pathlib import Path

PARAMETERS = "flame_params.json"
KINDS = ("image", "mask", "semantic")  # of pictures: `<kind>/<k>.png`
# pictures of some frames by other cameras, `held_out/<camera>/<k>.png`, and the list of both
HELD_OUT = "held_out"
HELD_OUT_LIST = "held_out.json"
LONE = "lone"  # folder: a clip of a stand-in who shows one expression at a time, each alone
TRUTH = "truth.json"  # the parameters without the errors that were asked for


def files_beside(folder: Path) -> list[Path]:
    """All files in a clip's folder but its own parameters and their truth: its pictures, those of
    other cameras with their list, and the clip of lone expressions; sorted."""
    own = [file for kind in KINDS for file in (folder / kind).glob("*.png")]
    places = (HELD_OUT_LIST, f"{HELD_OUT}/*/*.png", f"{LONE}/{PARAMETERS}", f"{LONE}/*/*.png")
    return sorted([*own, *(file for place in places for file in folder.glob(place))])
