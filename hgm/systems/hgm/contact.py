"""A contact sheet: all reconstructed photos in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hgm.images.views import save_png
from hgm.report.pictures import read, sheet

# stem of a file -> title of its column
COLUMNS = {
    "input": "input",
    "back_coarse": "coarse back",
    "back": "refined back",
    "novel_00": "0°",
    "novel_03": "90°",
    "novel_06": "180°",
    "novel_09": "270°",
}
CELL = 160
GAP = 4
TEXT = 13  # pixels


def write_contact_sheet(folders: Mapping[str, Path], path: Path) -> None:
    """One row for each result folder: input, coarse back, refined back, four novel views. Writes
    nothing without folders."""
    pictures = sheet(
        [[read(folder / f"{stem}.png", CELL) for stem in COLUMNS] for folder in folders.values()],
        CELL,
        GAP,
    )
    if pictures is None:
        return
    rows = len(folders)
    step = CELL + GAP
    line = TEXT + 2 * GAP
    page = Image.new("RGB", (pictures.shape[1], line + rows * (step + line)), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(TEXT)
    for i, title in enumerate(COLUMNS.values()):
        draw.text((i * step + CELL / 2, line / 2), title, "black", font, anchor="mm")
    for j, name in enumerate(folders):
        top = line + j * (step + line)
        page.paste(Image.fromarray(pictures[j * step : j * step + CELL]), (0, top))
        draw.text((GAP, top + CELL + line / 2), name, "black", font, anchor="lm")
    save_png(path, np.asarray(page))
