"""The first step: a first body becomes the body of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from hgm.body.files import BODY_FILE
from hgm.body.model import BodyModel
from hgm.systems.hgm.bodies import load_estimate, place_subject, refine_subject
from hgm.systems.hgm.estimate import BodyEstimate
from hgm.systems.hgm.normal_estimators import NormalEstimator
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.input_view import InputView
from hgm.systems.hgm.reconstruction import Reconstructor
from hgm.systems.hgm.sections.bodies import Refine


@dataclass(frozen=True)
class RefineStep:
    """Refines bodies against the silhouettes of the coarse model, or only places them where the
    variant does not refine."""

    equipment: Equipment
    reconstructor: Reconstructor  # whose coarse model is asked
    settings: Refine
    model: BodyModel
    normals: NormalEstimator | None  # pull the body, where their weight is not zero

    @classmethod
    def of(cls, equipment: Equipment, reconstructor: Reconstructor) -> RefineStep:
        """With the body model, and the estimator of normals where it is used, loaded."""
        settings = Refine(**equipment.variant.refining(equipment.config["refine"]))
        normals = equipment.normals if equipment.refines_by_normals else None
        return cls(equipment, reconstructor, settings, equipment.body, normals)

    @property
    def digests(self) -> list[str]:
        """Hash of the weights of the estimator of normals, if there is one, for keys."""
        return [] if self.normals is None else [self.equipment.normals_digest]

    def do(self, view: InputView, first: BodyEstimate, out: Path) -> Tensor:
        """Write `smplx.npz` and, if refined, `refinement.tsv` to `out`; returns the vertices
        [10475, 3] in normalized units."""
        equipment = self.equipment
        if not equipment.variant.refined:
            return place_subject(first, view.mask, self.model, view.camera, out)
        return refine_subject(
            first,
            view.image,
            view.mask,
            view.camera,
            self.model,
            self.reconstructor,
            out,
            self.settings,
            normals=self.normals,
            backend=equipment.splat,
        )

    def do_rendered(self, view_folder: Path, estimate: Path, out: Path) -> None:
        """The same of the front view of a view folder, from the first body in the folder
        `estimate`."""
        self.do(InputView.rendered(view_folder), load_estimate(estimate / BODY_FILE), out)
