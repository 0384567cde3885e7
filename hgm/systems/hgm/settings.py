"""HGM's configuration, made of its sections. Defaults are the paper's values, or the release's
where the paper is silent; `config.yaml`, the demo, and the presets in `config/hgm/` hold what
differs."""

from __future__ import annotations

from hgm.core.devices import check_named, check_shares
from hgm.core.settings import FileName, described
from hgm.errors import InputError
from hgm.mesh.settings import Mesh
from hgm.metrics.settings import Weights
from hgm.render.settings import Rendering
from hgm.scans.settings import Scans
from hgm.systems.hgm.back_view.settings import BackView, ControlNet, ControlPairs, DiffusionBase
from hgm.systems.hgm.sections.bodies import FirstEstimate, Refine
from hgm.systems.hgm.sections.evaluate import Evaluate
from hgm.systems.hgm.sections.normals import Normals
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.workflow.configuration import RunConfig


class Config(RunConfig):
    """Everything that decides a run of HGM."""

    init: str | None = described(
        None,
        "networks that all trainings start from: starter (those that come with hgm), or the folder "
        "of a run; null: from random weights (paper)",
    )
    images: list[FileName] = described(
        [], "photos and folders of photos to reconstruct too, with the first of evaluate.variants"
    )
    scans: Scans = described(Scans(), "the scans of people to train and test on")
    rendering: Rendering = described(
        Rendering(), "the views of each scan: 12 rendered ones, or those of the data set"
    )
    network: Network = described(Network(), "the HGM networks")
    loss: Loss = described(Loss(), "weights of the training loss")
    coarse: Coarse = described(Coarse(), "the one-view HGM")
    pairs: ControlPairs = described(ControlPairs(), "the ControlNet's training pairs")
    base: DiffusionBase = described(
        DiffusionBase(), "the latent diffusion model under the ControlNet"
    )
    controlnet: ControlNet = described(ControlNet(), "the back view's ControlNet")
    back_view: BackView = described(BackView(), "the refinement of the back view by diffusion")
    fusion: Fusion = described(Fusion(), "the two-view HGM")
    estimate: FirstEstimate = described(FirstEstimate(), "the first SMPL-X estimate")
    refine: Refine = described(Refine(), "the SMPL-X refinement")
    reconstruct: Reconstruct = described(Reconstruct(), "the pictures written for a subject")
    normals: Normals = described(Normals(), "the normal net")
    mesh: Mesh = described(Mesh(), "mesh extraction")
    evaluate: Evaluate = described(Evaluate(), "metrics and ablations")
    weights: Weights = described(Weights(), "published weights of metrics that a user brings")

    def check(self) -> None:
        """Raises InputError for values that are valid one by one but contradict each other."""
        for stage, section in (("coarse", self.coarse), ("fusion", self.fusion)):
            check_named(self.device, section.gpus)
            check_shares(stage, section.gpus, section.accumulate)
            if section.lgm is not None and self.init is not None:
                raise _two_starts(f"{stage}.lgm")
            if section.lgm is not None and self.network.preset != "paper":
                raise InputError(
                    f"{stage}.lgm: LGM's weights fit network.preset: paper, not "
                    f"{self.network.preset}"
                )
        if self.controlnet.tile is not None and self.init is not None:
            raise _two_starts("controlnet.tile")
        if self.fusion.lgm is not None and self.fusion.warm_start:
            raise InputError(
                "fusion.lgm: with warm_start the training starts from the coarse weights; set "
                "fusion.warm_start: false, or leave fusion.lgm out"
            )
        if self.fusion.turn and self.fusion.back_share > 0:
            raise InputError(
                "fusion.turn: the pairs show what is behind the front view, and behind no other; "
                "set fusion.turn: false or fusion.back_share: 0.0"
            )


def _two_starts(key: str) -> InputError:
    """The error for a training that is told to start from two networks."""
    return InputError(
        f"{key}: with init the training starts from the networks there; set init: null, or leave "
        f"{key} out"
    )
