"""Render one scan to one view folder, and the key by which a finished folder is recognized."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hgm.core.files import atomic_folder
from hgm.core.settings import Section, described
from hgm.errors import ScanError
from hgm.render.settings import Rendering
from hgm.rig import VIEWS
from hgm.scans.thuman import ScanFiles

if TYPE_CHECKING:
    from hgm.body.model import BodyModel
    from hgm.render.blender import Renderer

STAGE = "render"  # whoever makes a view folder, it is marked as this stage's
TASK = "hgm.render.member:MemberTask"


class MemberRendering(Rendering):
    """Section `rendering` of the configuration and what else decides the pixels of a view, beside
    the scan."""

    views: int = described(VIEWS, "cameras of the rig", ge=1)
    gender: str = described("male", "body model of the fits")


class MemberWork(Section):
    """What a process that renders scans is told once."""

    rendering: MemberRendering
    models: str = described(..., "folder that holds smplx/SMPLX_<GENDER>.npz")


class MemberTask:
    """Renders scans, {"name", "obj", "fit"}, to view folders: a `hgm.render.worker.Task`."""

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        """Settings as `MemberWork` dumps them. Raises InputError without bpy, body model or the
        device that is asked for."""
        from hgm.render.blender import Renderer

        work = MemberWork.model_validate(settings)
        self.settings = work.rendering
        self.renderer = Renderer(
            samples=self.settings.samples, device=self.settings.device, scratch=scratch
        )
        from hgm.body.model import BodyModel
        from hgm.core.processes import use_threads

        use_threads(1)
        self.model = BodyModel.load(Path(work.models), self.settings.gender)

    def do(self, item: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        files = ScanFiles(item["name"], Path(item["obj"]), Path(item["fit"]))
        return render_member(self.renderer, self.model, files, self.settings, folder)

    def close(self) -> None:
        self.renderer.close()


def member_key(files: ScanFiles, settings: MemberRendering, common: str = "") -> str:
    """Hash of everything that decides a view folder: the files of the scan and its fit, the
    settings and `common`. Raises ScanError.
    """
    digest = hashlib.sha256(json.dumps([common, settings.model_dump()], sort_keys=True).encode())
    for line in files.digests():
        digest.update(f"\n{line}".encode())
    return digest.hexdigest()


def render_member(
    renderer: Renderer,
    model: BodyModel,
    files: ScanFiles,
    settings: MemberRendering,
    out: Path,
) -> dict[str, Any]:
    """Check a scan, render its views and write them with its body as the folder `out`, at once or
    not at all. Returns which views are cropped, the device and Blender's version.

    Raises ScanError when the scan or its fit is unusable, InputError when the fit cannot be read.
    """
    from hgm.body.files import PlacedBody
    from hgm.body.fits import load_fit
    from hgm.cameras import orbit
    from hgm.images.views import save_cameras, save_view
    from hgm.scans.canonical import scan_to_nu
    from hgm.scans.check import check_fit
    from hgm.scans.preflight import preflight

    checked = preflight(files)
    fit = load_fit(files.fit, model)
    scan = scan_to_nu(fit, model)
    check_fit(checked.mesh, scan, files.fit)
    renderer.load(files.obj, checked, scan.transform)
    cameras = orbit(settings.views, size=settings.size)
    cropped = []
    with atomic_folder(out) as work:
        for i in range(settings.views):
            try:
                frame = renderer.render(cameras[i])
            except ScanError as error:
                raise ScanError(f"{files.obj}: view {i}: {error}") from None
            if frame.cropped:
                cropped.append(i)
            rgb = over_white(frame.rgba)
            mask = frame.rgba[..., 3]
            save_view(work, i, rgb=rgb, mask=mask, depth=frame.depth, normal=frame.normal)
        save_cameras(work, cameras)
        PlacedBody(fit.params, scan.body).save(work / "smplx.npz")
    return {
        "cropped_views": cropped,
        "device": renderer.device,
        "blender": renderer.version,
    }


def over_white(rgba: np.ndarray) -> np.ndarray:
    """Straight-alpha sRGB uint8 [H, W, 4] -> uint8 [H, W, 3] over white, mixed as bytes like the
    views' readers do."""
    alpha = rgba[..., 3:].astype(np.uint32)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
