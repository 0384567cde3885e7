"""One test subject, from its folder of views and its folder with a body: refinement and
reconstruction."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from hgm.body.files import load_body
from hgm.body.model import BodyModel
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.systems.hgm.bodies import load_estimate, refine_subject
from hgm.systems.hgm.normal_estimators import NormalEstimator
from hgm.systems.hgm.reconstruction import Reconstructor, write_reconstruction
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import Variant

BODY = "smplx.npz"


def refine_rendered(
    view_folder: Path,
    estimate: Path,
    out: Path,
    model: BodyModel,
    reconstructor: Reconstructor,
    settings: Refine,
    *,
    normals: NormalEstimator | None,
    backend: str,
) -> None:
    """`refine_subject` on the front view, starting from the first body in the folder `estimate`."""
    views = Viewpoints.read(view_folder)
    image, mask = (
        load_image(view_path(view_folder, kind, views.front)) for kind in ("rgb", "mask")
    )
    refine_subject(
        load_estimate(estimate / BODY),
        image,
        mask,
        views.cameras[views.front],
        model,
        reconstructor,
        out,
        settings,
        normals=normals,
        backend=backend,
    )


def reconstruct_subject(
    view_folder: Path,
    body: Path,
    out: Path,
    reconstructor: Reconstructor,
    variant: Variant,
    output: Reconstruct,
    *,
    backend: str,
) -> dict[str, Any]:
    """Reconstruct the front view and write the results to `out`, with a copy of the body in the
    folder `body`. Returns what was measured: seconds of the stages, frames per second of the
    turntable, and the size of its frames."""
    views = Viewpoints.read(view_folder)
    image = load_image(view_path(view_folder, "rgb", views.front))
    vertices = torch.from_numpy(load_body(body / BODY)["vertices"])
    result = reconstructor.reconstruct(image, vertices if variant.body else None, variant, views)
    rate = write_reconstruction(result, image, out, output, views.cameras, backend=backend)
    shutil.copyfile(body / BODY, out / BODY)
    return {
        "stages": dict(result.seconds),
        "frames_per_second": rate,
        "size": output.turntable_size,
    }
