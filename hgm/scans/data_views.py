"""What the views of each data set contain: how many there are of a person, and whether with
normals.

This module does not import torch: forecasts and resource requests read it at every start.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from hgm.rig import VIEWS

KINECTS = 10  # of HuMMan
# sources that bring their views; from the scans of the others they are rendered
GIVEN = ("humman", "views")
WITHOUT_NORMALS = ("humman",)  # sources; given views may lack them too, which their folders tell
NEEDS_NO_NORMALS = (
    "set normals.icon (docs/estimators.md), or mesh.refine_steps: 0 and "
    "refine.normal: 0, which need none"
)


def view_count(data: Mapping[str, Any]) -> int:
    """Views of a person of a data set (`hgm.scans.catalogue.data_of`); of given views as many as
    the person with the most has, and those of the rig where they cannot be counted."""
    if data["source"] == "humman":
        return KINECTS
    if data["source"] != "views" or data["root"] is None:
        return VIEWS
    return _given(os.path.join(data["root"], "img"))


@cache
def _given(folder: str) -> int:
    try:
        names = os.listdir(folder)
    except OSError:
        return VIEWS
    return max(Counter(name.rpartition("_")[0] for name in names).values(), default=VIEWS)
