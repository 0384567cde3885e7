"""The views of stereo pairs, rendered from scans in processes of `hgm.render.pool`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hgm.cameras import Cameras
from hgm.core.settings import Section, described
from hgm.errors import ScanError
from hgm.scans import gps_files
from hgm.scans.thuman import ScanFiles
from hgm.systems.posegaussian.keypoints import keypoints_of
from hgm.systems.posegaussian.layout import PairFiles, pair_name
from hgm.systems.posegaussian.marks import link_files
from hgm.systems.posegaussian.rig import NOVEL, heading_of, pair_cameras, placed
from hgm.systems.posegaussian.settings import Pairs

TASK = "hgm.systems.posegaussian.views:PairsTask"
STAGE = "stereo_views"
MARKS = ".scans"  # beside img: a folder for each scan, or pair of somebody else, with its mark


class PairsWork(Section):
    """What a process that renders pairs is told once."""

    pairs: Pairs
    count: int = described(..., "pairs of each scan, the first ones of all around it")
    seed: int = described(..., "seed of the run")
    models: str = described(..., "folder that holds smplx/SMPLX_<GENDER>.npz")
    gender: str = described(..., "body model of the fits")


class PairsTask:
    """Renders the pairs of scans, {"name", "scan", "obj", "fit", "hard"}: a
    `hgm.render.worker.Task`.

    The pairs are written to the layout around the item's folder `.scans/<name>`, which holds the
    mark alone. `hard`: the stand-in of the scan in a hard pose.
    """

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        """Settings as `PairsWork` dumps them. Raises InputError without bpy, body model or the
        device that is asked for."""
        from hgm.render.blender import Renderer

        self.work = PairsWork.model_validate(settings)
        self.renderer = Renderer(
            samples=self.work.pairs.samples, device=self.work.pairs.device, scratch=scratch
        )
        from hgm.body.model import BodyModel
        from hgm.core.processes import use_threads

        use_threads(1)
        self.model = BodyModel.load(Path(self.work.models), self.work.gender)

    def do(self, item: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        root = folder.parent.parent
        remove_pairs(root, item["name"])
        files = ScanFiles(item["scan"], Path(item["obj"]), Path(item["fit"]))
        heading, keypoints = self.load_hard(files) if item["hard"] else self.load(files)
        for pair in range(self.work.count):
            out = PairFiles(root, pair_name(item["name"], pair))
            cameras = pair_cameras(
                self.work.pairs, item["scan"], pair, heading=heading, seed=self.work.seed
            )
            self.render_pair(out, cameras, keypoints)
        link_files(pair_files(root, item["name"]), folder)
        return {"device": self.renderer.device, "blender": self.renderer.version}

    def load(self, files: ScanFiles) -> tuple[float, np.ndarray]:
        """Put a scan into the renderer's world; its heading in degrees and its points of COCO there
        [17, 3]. Raises ScanError for an unusable scan or fit."""
        import torch

        from hgm.body.fits import load_fit
        from hgm.scans.canonical import scan_to_nu
        from hgm.scans.check import check_fit
        from hgm.scans.preflight import preflight

        checked = preflight(files)
        fit = load_fit(files.fit, self.model)
        check_fit(checked.mesh, scan_to_nu(fit, self.model), files.fit)
        transform = placed(checked.mesh.vertices, self.work.seed, files.name)
        self.renderer.load(files.obj, checked, transform)
        with torch.no_grad():
            body = self.model(fit.params)
        vertices, joints = (fit.to_scan(x.double()).numpy() for x in (body.vertices, body.joints))
        heading = heading_of(fit.params.global_orient.double().numpy())
        return heading, moved(keypoints_of(vertices, joints), transform)

    def load_hard(self, files: ScanFiles) -> tuple[float, np.ndarray]:
        """As `load`, of the stand-in of a scan in a hard pose, with a texture as large as the
        scan's."""
        from PIL import Image

        from hgm.scans.preflight import texture_of
        from hgm.systems.posegaussian.hard import HardStandin

        with Image.open(texture_of(files.obj.with_name("material0.mtl"))) as texture:
            person = HardStandin.of(files.name, texture.width)
        transform = placed(person.vertices, self.work.seed, files.name)
        actor = person.actor
        self.renderer.load_surface(actor.faces, actor.uvs, actor.texture)
        self.renderer.move(moved(person.vertices, transform))
        return 0.0, moved(person.keypoints, transform)

    def render_pair(self, out: PairFiles, cameras: Cameras, keypoints: np.ndarray) -> None:
        """Render and write the views of one pair of what is in the renderer's world."""
        for view in range(len(cameras)):
            camera = cameras[view]
            try:
                frame = self.renderer.render(camera)
                if view in NOVEL:
                    large = self.renderer.render(camera.resized(2 * camera.width))
                    gps_files.save_jpeg(out.large_image(view), over_black(large.rgba))
            except ScanError as error:
                raise ScanError(f"{out.name}: view {view}: {error}") from None
            K, w2c = camera.K.numpy(), camera.world_to_camera.numpy()
            out.save_view(view, over_black(frame.rgba), frame.rgba[..., 3], frame.depth, K, w2c)
        gps_files.save_array(out.keypoints_file, keypoints)

    def close(self) -> None:
        self.renderer.close()


def over_black(rgba: np.ndarray) -> np.ndarray:
    """Straight-alpha sRGB uint8 [H, W, 4] -> uint8 [H, W, 3] over black, mixed as bytes."""
    alpha = rgba[..., 3:].astype(np.uint32)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Points [N, 3] by a similarity [4, 4]."""
    return points @ transform[:3, :3].T + transform[:3, 3]


def pair_files(root: Path, scan: str) -> list[Path]:
    """All files of a scan's pairs below the folder of its split, but heat maps."""
    pairs = [PairFiles(root, folder.name) for folder in pair_folders(root, scan)]
    return [file for pair in pairs for file in pair.files()]


def pair_folders(root: Path, scan: str) -> list[Path]:
    """The folders of a scan's pairs in `img`."""
    return sorted((root / "img").glob(f"{scan}_[0-9][0-9][0-9]"))


def remove_pairs(root: Path, scan: str) -> None:
    """Delete all pairs of a scan below the folder of its split, leftovers and pairs of somebody
    else included, but heat maps."""
    for folder in pair_folders(root, scan):
        PairFiles(root, folder.name).remove()
    for mark in (root / MARKS).glob(f"{scan}_[0-9][0-9][0-9]"):  # of a pair that was taken over
        shutil.rmtree(mark)
