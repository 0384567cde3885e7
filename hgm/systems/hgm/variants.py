"""The paper's ablation (Table 4) and the rows of its Table 6 as variants of the same stages;
variants share every stage that they do not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# after a variant's name: the render of its Gaussians from behind, beside the picture that it was
# given
RENDER = "_render"


@dataclass(frozen=True)
class Variant:
    """Which parts of HGM one variant uses."""

    refined: bool = True  # the refined body, else the first estimate
    two_view: bool = True  # the fusion stage, else the coarse Gaussians are the result
    diffusion: bool = True  # the ControlNet's back view, else the coarse one
    body: bool = True  # the SMPL-X branch, else networks trained without it
    # the refinement of the body sees the 11 other silhouettes, else the photo's alone
    sides: bool = True
    # whose first body: a program of hgm.body.estimators, else what the configuration names
    estimator: str = ""

    @property
    def branch(self) -> str:
        """Suffix of the folders `coarse` and `fusion` that hold this variant's networks: empty with
        the SMPL-X branch, else `_no_body`."""
        return "" if self.body else "_no_body"

    @property
    def first(self) -> str:
        """Suffix of the folders that hold first bodies other than the configuration's."""
        return f"_by_{self.estimator}" if self.estimator else ""

    @property
    def side_views(self) -> str:
        """Suffix of the folder of refined bodies that says which silhouettes were seen."""
        return "" if self.sides else "_front_only"

    @property
    def bodies(self) -> str:
        """Folder of this variant's bodies below `bodies`."""
        return f"refined{self.first}{self.side_views}" if self.refined else f"estimated{self.first}"

    def source(self, estimate: Mapping[str, Any]) -> str:
        """Where its first bodies come from, by section `estimate` of the configuration."""
        return self.estimator or str(estimate["source"])

    def refining(self, refine: Mapping[str, Any]) -> dict[str, Any]:
        """Section `refine` of the configuration as it holds for this variant."""
        return dict(refine) if self.sides else {**refine, "side": 0.0}


VARIANTS = {
    "full": Variant(),
    "no_body": Variant(body=False),
    "no_refine": Variant(refined=False),
    "one_view": Variant(two_view=False, diffusion=False),
    "no_diffusion": Variant(diffusion=False),
    "front_only": Variant(sides=False),
    "pymafx": Variant(estimator="pymafx"),
    "pymafx_front_only": Variant(sides=False, estimator="pymafx"),
}

# of the report; its first one that is asked for is the one that the report is about
ORDER = (
    "full",
    "no_diffusion",
    "one_view",
    "no_refine",
    "no_body",
    "front_only",
    "pymafx",
    "pymafx_front_only",
)
