"""Stereo pairs in the folders of GPS-Gaussian, written and read: `img mask depth parm heatmap`.

Each of these holds a folder for every pair, `<scan>_<pair>`, with a file for every view: 0 and 1
are the photos, 2, 3 and 4 the views between them.

- `img/…/<v>.jpg`: RGB, and for the views between also `<v>_hr.jpg` of twice the size; over black.
- `mask/…/<v>.png`: 8 bits, three equal channels, of the size of `<v>.jpg`. There is none of
  `<v>_hr.jpg`: the person's box in it is twice that of the mask.
- `depth/…/<v>.png`: 16 bits, 2**15 / z of the planar depth z in meters, 0 where nothing was hit.
- `parm/…/<v>_intrinsic.npy` [3, 3] of `<v>.jpg` in pixels, pixel centers at +0.5, and
  `<v>_extrinsic.npy` [3, 4], world to camera, OpenCV's axes, meters.
- `heatmap/…/<v>.png` of the photos: joints as a picture, `<v>.npz` where each has a plane of its
  own.

Pairs that are rendered here have one more file, which other readers of the layout do not look at:
`parm/…/keypoints.npy`, the person's 17 points of COCO [17, 3] in meters.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.core.npz import read_npz
from hgm.errors import InputError, ScanError
from hgm.images.views import save_png
from hgm.scans import gps_files
from hgm.scans.pinhole import check_center
from hgm.systems.posegaussian.photos import PERSON, Photos, stacked
from hgm.systems.posegaussian.rig import SOURCES
from hgm.systems.posegaussian.widths import CHANNELS

KINDS = ("img", "mask", "depth", "parm")  # and heatmap, which comes later
View = int | str  # a number, or the name of a real camera
PLANES = "planes"  # the array of a heat map that is no picture
MAKE_HEAT = (
    "make it with MMPose (heatmaps.source: files), have its JSON files read (predictions), or "
    "have it drawn from the scans' fits (fits)"
)


def pair_name(scan: str, pair: int) -> str:
    """`0505`, 3 -> `0505_003`."""
    return f"{scan}_{pair:03d}"


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair below `root`, the folder of its split."""

    root: Path
    name: str

    def folder(self, kind: str) -> Path:
        return self.root / kind / self.name

    def image(self, view: View) -> Path:
        return self.folder("img") / f"{view}.jpg"

    def large_image(self, view: View) -> Path:
        """That of a view between the photos."""
        return self.folder("img") / f"{view}_hr.jpg"

    def mask(self, view: View) -> Path:
        return self.folder("mask") / f"{view}.png"

    def depth(self, view: View) -> Path:
        return self.folder("depth") / f"{view}.png"

    def camera_files(self, view: View) -> tuple[Path, Path]:
        """Those of K and of world_to_camera."""
        parm = self.folder("parm")
        return parm / f"{view}_intrinsic.npy", parm / f"{view}_extrinsic.npy"

    @property
    def keypoints_file(self) -> Path:
        return self.folder("parm") / "keypoints.npy"

    def heat(self, view: View, encoding: str) -> Path:
        return self.folder("heatmap") / f"{view}.{'npz' if encoding == 'coco17' else 'png'}"

    def files(self) -> list[Path]:
        """Whatever there is of the pair, but heat maps."""
        found = (sorted(self.folder(kind).glob("*")) for kind in KINDS)
        return [file for files in found for file in files if file.is_file()]

    def remove(self) -> None:
        """Delete whatever there is of the pair, but heat maps."""
        for kind in KINDS:
            shutil.rmtree(self.folder(kind), ignore_errors=True)

    def camera(
        self, view: View, size: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """K [3, 3] and world_to_camera [4, 4] float64 of a view. Raises ScanError, also for a K
        that is not of a picture of `size`, width and height."""
        K, w2c = gps_files.read_camera(*self.camera_files(view))
        if size is not None:
            check_center(str(self.camera_files(view)[0]), K, size)
        return K, w2c

    def poses(self) -> np.ndarray:
        """world_to_camera [2, 4, 4] of both photos. Raises ScanError."""
        return np.stack([self.camera(view)[1] for view in SOURCES])

    def keypoints(self) -> np.ndarray:
        """The points of COCO [17, 3] of a pair that was rendered here. Raises ScanError."""
        return gps_files.read_array(self.keypoints_file, (17, 3))

    def picture(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """rgb uint8 [H, W, 3], black where nobody is, and mask uint8 [H, W] of a view.

        Raises ScanError for files that are missing, damaged or of different sizes, and for a mask
        with nobody in it.
        """
        path = self.mask(view)
        if not path.is_file():
            raise ScanError(f"{path}: no such mask; expected the person in {self.image(view).name}")
        rgb = gps_files.read_image(self.image(view), "RGB")
        mask = gps_files.read_mask(path)
        self._require_size(path, mask, rgb)
        if mask.max() < PERSON:
            raise ScanError(
                f"{path}: nobody is in this mask; expected the person at {PERSON} or more"
            )
        return np.where(mask[..., None] > 0, rgb, np.uint8(0)), mask

    def large_picture(self, view: View) -> np.ndarray:
        """rgb uint8 [2S, 2S, 3] of a view between the photos, black where its mask is. Raises
        ScanError."""
        path = self.large_image(view)
        rgb = gps_files.read_image(path, "RGB")
        mask = gps_files.read_mask(self.mask(view)).repeat(2, 0).repeat(2, 1)
        self._require_size(path, rgb, mask)
        return np.where(mask[..., None] > 0, rgb, np.uint8(0))

    def inverse_depth(self, view: View) -> np.ndarray | None:
        """Inverse depth [S, S] in 1/m; None where the pair has none. Raises ScanError for a file
        that is damaged, has 8 bits, or holds what is nearer than half a meter."""
        path = self.depth(view)
        if not path.is_file():
            return None
        q = gps_files.read_inverse_depth(path)
        if q.max() * gps_files.INVERSE_DEPTH >= gps_files.LARGEST:
            raise ScanError(
                f"{path}: somebody is nearer than half a meter, which 16 bits of 2**15 / z do not "
                "hold; render with the cameras further away"
            )
        return q

    def heat_map(self, view: View, encoding: str) -> np.ndarray:
        """uint8 [S, S, C] of a photo. Raises InputError as `read_heat_map`."""
        return read_heat_map(self.heat(view, encoding), encoding)

    def photos(self) -> Photos:
        """Both photos with their depth, if it is there. Raises InputError for what is wrong with a
        file."""
        files = [self.image(view) for view in SOURCES]
        pictures = [self.picture(view) for view in SOURCES]
        images = stacked([rgb for rgb, _ in pictures], files, "picture")
        if images.shape[1] != images.shape[2]:
            raise ScanError(
                f"{files[0]}: {images.shape[2]} x {images.shape[1]} pixels, expected a square "
                "picture"
            )
        size = images.shape[1]
        cameras = [self.camera(view, (size, size)) for view in SOURCES]
        depths = [self.inverse_depth(view) for view in SOURCES]
        known = [depth for depth in depths if depth is not None]
        if len(known) == 1:
            raise ScanError(
                f"{self.folder('depth')}: the depth of one photo; expected both or none"
            )
        for view in SOURCES if known else ():
            self._require_size(self.depth(view), known[view], images[0])
        return Photos(
            str(self.folder("img")),
            images,
            np.stack([mask for _, mask in pictures]),
            np.stack([K for K, _ in cameras]),
            np.stack([w2c for _, w2c in cameras]),
            inverse_depth=np.stack(known) if known else None,
        )

    def save_view(
        self,
        view: View,
        rgb: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray,
        K: np.ndarray,
        world_to_camera: np.ndarray,
    ) -> None:
        """Write a view: rgb uint8 [S, S, 3] over black, mask uint8 [S, S], depth [S, S] in meters,
        K [3, 3] and world_to_camera [4, 4]. Raises InputError for a depth below half a meter."""
        gps_files.save_jpeg(self.image(view), rgb)
        gps_files.save_mask(self.mask(view), mask)
        gps_files.save_inverse_depth(self.depth(view), depth)
        gps_files.save_camera(*self.camera_files(view), K, world_to_camera)

    def save_heat_map(self, view: View, heat: np.ndarray, encoding: str) -> None:
        """Write a heat map uint8 [S, S, C], which `heat_map` reads."""
        path = self.heat(view, encoding)
        if encoding == "coco17":
            with gps_files.atomic_write(path) as file:
                np.savez_compressed(file, **{PLANES: heat})
        else:
            save_png(path, heat if heat.shape[-1] > 1 else heat[..., 0])

    def _require_size(self, path: Path, image: np.ndarray, like: np.ndarray) -> None:
        if image.shape[:2] != like.shape[:2]:
            raise ScanError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels, expected {like.shape[1]} x "
                f"{like.shape[0]} as the pair's other files say"
            )


def read_heat_map(path: Path, encoding: str) -> np.ndarray:
    """uint8 [H, W, C], RGB where it is in colors. Raises InputError for a file that is missing,
    damaged, or not of the encoding."""
    if not path.is_file():
        raise InputError(f"{path}: no such heat map; {MAKE_HEAT}")
    if encoding == "coco17":
        heat = read_npz(path, (PLANES,), what="heat map").get(PLANES, np.zeros(0, np.uint8))
    else:
        heat = gps_files.read_image(path, None)
        heat = heat[..., None] if heat.ndim == 2 else heat
    found = heat.shape[-1] if heat.ndim == 3 else 0
    if found != CHANNELS[encoding] or heat.dtype != np.uint8:
        raise InputError(
            f"{path}: {heat.dtype} {heat.shape}, expected {CHANNELS[encoding]} channels of 8 bits, "
            f"as heatmaps.encoding: {encoding} has them; {MAKE_HEAT}"
        )
    return heat
