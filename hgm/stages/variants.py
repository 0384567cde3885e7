"""The paper's ablation (Table 4) as variants of the same stages; variants share every stage that they do not change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """Which parts of HGM one variant uses."""

    refined: bool = True  # the refined body, else the first estimate
    two_view: bool = True  # the fusion stage, else the coarse Gaussians are the result
    diffusion: bool = True  # the ControlNet's back view, else the coarse one
    body: bool = True  # the SMPL-X branch, else networks trained without it

    @property
    def networks(self) -> str:
        """Suffix of the folders `coarse` and `fusion` that hold this variant's networks."""
        return "" if self.body else "_no_body"


VARIANTS = {
    "full": Variant(),
    "no_body": Variant(body=False),
    "no_refine": Variant(refined=False),
    "one_view": Variant(two_view=False, diffusion=False),
    "no_diffusion": Variant(diffusion=False),
}
