"""The second step: a picture and its body become Gaussians, and the files that show them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.body.files import BODY_FILE, load_body
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.input_view import InputView
from hgm.systems.hgm.pipeline.networks import load_networks
from hgm.systems.hgm.reconstruction import Reconstruction, Reconstructor, write_reconstruction
from hgm.systems.hgm.sections.reconstruct import Reconstruct


@dataclass(frozen=True)
class ReconstructStep:
    """Reconstructs people with the networks of a variant."""

    equipment: Equipment
    reconstructor: Reconstructor
    output: Reconstruct

    @classmethod
    def of(cls, equipment: Equipment) -> ReconstructStep:
        """With the networks loaded, and compiled where the configuration says so."""
        config = equipment.config
        return cls(
            equipment,
            load_networks(equipment, compiled=config["network"]["compile"]),
            Reconstruct(**config["reconstruct"]),
        )

    def do(
        self,
        view: InputView,
        vertices: Tensor | None,
        *,
        announce: Callable[[str], None] = lambda stage: None,
    ) -> Reconstruction:
        """vertices: of the body, [10475, 3] in normalized units, None where nobody knows it.
        `announce` is called as by `Reconstructor.reconstruct`."""
        return self.reconstructor.reconstruct(
            view.image,
            view.mask,
            vertices,
            self.equipment.variant,
            view.views,
            announce=announce,
        )

    def write(self, result: Reconstruction, view: InputView, out: Path) -> float:
        """Write the files of `write_reconstruction` and return the frames a second of its film."""
        return write_reconstruction(
            result,
            view.image,
            out,
            self.output,
            view.views.cameras,
            backend=self.equipment.splat,
        )

    def do_rendered(self, view_folder: Path, body: Path, out: Path) -> dict[str, Any]:
        """Write what the front view of a view folder becomes to `out`, with a copy of the body in
        the folder `body`. Returns what was measured: seconds of the stages, frames a second of the
        film and their size."""
        view = InputView.rendered(view_folder)
        vertices = torch.from_numpy(load_body(body / BODY_FILE)["vertices"])
        result = self.do(view, vertices if self.equipment.variant.body else None)
        rate = self.write(result, view, out)
        shutil.copyfile(body / BODY_FILE, out / BODY_FILE)
        return {
            "stages": dict(result.seconds),
            "frames_per_second": rate,
            "size": self.output.turntable_size,
        }
