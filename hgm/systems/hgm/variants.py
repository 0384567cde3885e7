"""The paper's ablation (table 4) and the rows of its table 6 as variants of the same stages.
Variants share the results of every stage in which they do not differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# added to the name of a variant: the render of its Gaussians from behind, next to the back view
# that it got as input
RENDER = "_render"


@dataclass(frozen=True)
class Variant:
    """Which parts of HGM a variant uses."""

    refined: bool = True  # the refined body, else the first estimate
    two_view: bool = True  # the fusion stage, else the coarse Gaussians are the result
    diffusion: bool = True  # the back view refined by the ControlNet, else the coarse one
    body: bool = True  # the SMPL-X branch, else networks trained without it
    # the body is refined with all silhouettes, else with that of the photo alone
    sides: bool = True
    # program that estimates the first body (hgm.body.estimators); empty: what the configuration
    # names
    estimator: str = ""

    @property
    def branch(self) -> str:
        """Suffix of the folders `coarse` and `fusion` that hold this variant's networks: empty with
        the SMPL-X branch, else `_no_body`."""
        return "" if self.body else "_no_body"

    @property
    def first(self) -> str:
        """Suffix of the folders of first bodies; empty for those that the configuration names."""
        return f"_by_{self.estimator}" if self.estimator else ""

    @property
    def side_views(self) -> str:
        """Suffix of the folders of refined bodies; empty where all silhouettes are used."""
        return "" if self.sides else "_front_only"

    @property
    def bodies(self) -> str:
        """Name of the folder of this variant's bodies, below `bodies`."""
        return f"refined{self.first}{self.side_views}" if self.refined else f"estimated{self.first}"

    def source(self, estimate: Mapping[str, Any]) -> str:
        """The source of its first bodies, given section `estimate` of the configuration."""
        return self.estimator or str(estimate["source"])

    def refining(self, refine: Mapping[str, Any]) -> dict[str, Any]:
        """Section `refine` of the configuration, changed for this variant."""
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

# order in the report; the first one that the configuration names is the main variant of the report
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
