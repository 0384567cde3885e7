"""Build the stand-in's assets: `python -m tools.standin_recipe OUT` writes core.npz, wardrobe.npz,
head.npz and skin_masks.png."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.images.views import save_png
from tools.standin_recipe import sample
from tools.standin_recipe.build import build
from tools.standin_recipe.compact import compact, compact_head


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.standin_recipe", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the assets")
    parser.add_argument("--people", type=int, default=600, help="adults to sample (600)")
    chosen = parser.parse_args(arguments)
    try:
        _write(chosen.out, chosen.people)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _write(out: Path, people: int) -> None:
    """Sampled people are kept in OUT/samples.npz: sampling takes longer than all the rest."""
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("ANNY_CACHE_DIR", str(out / "anny"))  # 790 MB, else in the home folder
    kept = out / "samples.npz"
    if not kept.exists():
        samples = sample.draw(people)
        save_png(out / "skin_masks.png", sample.skin_masks())
        samples.save(kept)
    assets = build(sample.Samples.load(kept))
    for name, arrays in (
        ("core", compact(assets.models, assets.mirror)),
        ("wardrobe", assets.wardrobe),
        ("head", compact_head(assets.head)),
    ):
        with atomic_write(out / f"{name}.npz") as file:
            np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    sys.exit(main())
