"""Views in the folders of GPS-Gaussian, which HGM's release reads too: `img mask parm depth`.

Each of the four holds a folder `<scan>_<view>` for every view, `0000_000 … 0000_011`, with in it
`img/…/0.jpg` (RGB; read where the mask is above 0, white elsewhere), `mask/…/0.png` (three equal
channels), `parm/…/0_intrinsic.npy` ([3, 3] in pixels) and `0_extrinsic.npy` ([3, 4] world to
camera, OpenCV axes), and `depth/…/<scale>.png` (16 bit, 2**15 / z). Lengths are meters of a person
scaled to 1.8 m; HGM's release reads that scale from the name of the depth file (GPS-Gaussian's is
0.png) and turns the world so that view 0 is the front camera. The body is in `smplx/<scan>/`:
`smplx.npz` of a view folder, as written here, or THuman's `smplx_param.pkl`; a `cameras.json`
beside it holds the cameras in its frame, which need not begin with the front one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from hgm.body.canonical import UNITS_PER_METER, CanonicalBody, canonical
from hgm.body.files import BODY_FILE, PlacedBody
from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.cameras import Cameras, orbit
from hgm.errors import ScanError
from hgm.images.views import DEPTH_UNIT, load_cameras, save_cameras, view_path
from hgm.scans.given import GivenView
from hgm.scans.gps_files import (
    INVERSE_DEPTH,
    read_camera,
    read_image,
    read_inverse_depth,
    read_mask,
    save_camera,
    save_inverse_depth,
    save_jpeg,
    save_mask,
)
from hgm.scans.thuman import FIT_FILE, FIT_FOLDERS

BODIES = "smplx"
VIEW = re.compile(r"(.+)_(\d{3})")
ALIGNED = 1e-6  # view 0 nearer to the front camera than this needs no turn of the world


@dataclass(frozen=True)
class MultiviewScan:
    """The views of one scan."""

    root: Path
    name: str
    model: BodyModel  # of the fits

    @property
    def place(self) -> Path:
        return self.root / "img" / f"{self.name}_000"

    @cached_property
    def count(self) -> int:
        """Views are numbered from 000 without a gap."""
        found = sorted(
            int(m[2])
            for p in (self.root / "img").glob(f"{self.name}_*")
            if (m := VIEW.fullmatch(p.name))
        )
        if not found or found != list(range(len(found))):
            raise ScanError(
                f"{self.place}: the views of {self.name} are {found}, expected 0, 1, … without a "
                "gap, each a folder in img, mask and parm"
            )
        return len(found)

    @cached_property
    def cameras(self) -> Cameras:
        parameters = [self._parameters(i) for i in range(self.count)]
        K, w2c = (torch.from_numpy(np.stack(x)) for x in zip(*parameters, strict=True))
        w2c[:, :3, 3] *= UNITS_PER_METER
        body = (
            load_cameras(self._frame.parent, torch.float64)
            if self._frame.is_file()
            else orbit(dtype=torch.float64)
        )
        first = body[0].world_to_camera
        if (w2c[0] - first).abs().max() > ALIGNED:
            w2c = w2c @ torch.linalg.inv(w2c[0]) @ first
        return Cameras(K, w2c, *self._size)

    @cached_property
    def placed_body(self) -> PlacedBody:
        if self._own.is_file():
            return PlacedBody.load(self._own)
        params = load_fit(self._fit(), self.model).params
        with torch.no_grad():
            body = canonical(self.model, params)
        scale = self._scale()
        if scale is not None:
            factor = UNITS_PER_METER * scale / body.nu_per_metre
            body = CanonicalBody(
                body.vertices * factor, body.joints * factor, body.nu_per_metre * factor
            )
        return PlacedBody(params, body)

    @cached_property
    def has_depth(self) -> bool:
        found = [self._depth_file(i) is not None for i in range(self.count)]
        if any(found) and not all(found):
            view = f"{self.name}_{found.index(False):03d}"
            raise ScanError(
                f"{self.root / 'depth' / view}: no depth image, but other views have one"
            )
        return all(found)

    def files(self) -> list[Path]:
        views = [
            self._file(kind, i)
            for i in range(self.count)
            for kind in ("img", "mask", "intrinsic", "extrinsic")
        ]
        if self.has_depth:
            views += filter(None, map(self._depth_file, range(self.count)))
        frame = [self._frame] if self._frame.is_file() else []
        return [*views, *frame, self._own if self._own.is_file() else self._fit()]

    def picture(self, index: int) -> GivenView:
        rgb = read_image(self._file("img", index), "RGB")
        mask = read_mask(self._file("mask", index))
        depth = self._depth(index)
        for kind, image in (("img", rgb), ("mask", mask), ("depth", depth)):
            if image is not None and image.shape[:2] != self._size[::-1]:
                raise ScanError(
                    f"{self._file('img', index)}: its {kind} is {image.shape[1]} x "
                    f"{image.shape[0]} pixels, expected {self._size[0]} x {self._size[1]}, those "
                    "of view 0"
                )
        return GivenView(np.where(mask[..., None] > 0, rgb, np.uint8(255)), mask, depth)

    @property
    def _own(self) -> Path:
        """The body of a view folder, where the scan brings it."""
        return self.root / BODIES / self.name / BODY_FILE

    @property
    def _frame(self) -> Path:
        """The cameras in the frame of that body, where the scan brings them; without them view 0 is
        the front camera."""
        return self._own.with_name("cameras.json")

    @cached_property
    def _size(self) -> tuple[int, int]:
        path = self._file("img", 0)
        height, width = read_image(path, "RGB").shape[:2]
        if width != height:
            raise ScanError(f"{path}: {width} x {height} pixels, expected a square image")
        return width, height

    def _file(self, kind: str, index: int) -> Path:
        folder = f"{self.name}_{index:03d}"
        if kind in ("intrinsic", "extrinsic"):
            return self.root / "parm" / folder / f"0_{kind}.npy"
        return self.root / kind / folder / ("0.jpg" if kind == "img" else "0.png")

    def _depth_file(self, index: int) -> Path | None:
        """The one depth image of a view, if there are any."""
        folder = self.root / "depth" / f"{self.name}_{index:03d}"
        found = sorted(folder.glob("*.png"))
        if len(found) > 1 and folder / "0.png" in found:
            return folder / "0.png"  # GPS-Gaussian has further views beside it
        if len(found) > 1:
            raise ScanError(f"{folder}: {len(found)} depth images, expected one named <scale>.png")
        return found[0] if found else None

    def _depth(self, index: int) -> np.ndarray | None:
        path = self._depth_file(index)
        if path is None:
            return None
        q = read_inverse_depth(path)
        return np.where(q > 0, UNITS_PER_METER / np.maximum(q, 1 / INVERSE_DEPTH), 0).astype(
            np.float32
        )

    def _scale(self) -> float | None:
        """1.8 m over the height of the person, from the name of the depth file; None where it says
        nothing."""
        path = self._depth_file(0)
        try:
            scale = float(path.name.removesuffix(".png")) if path is not None else 0.0
        except ValueError:
            raise ScanError(
                f"{path}: the name is not a number; expected the scale of the person, such as "
                "1.05.png"
            ) from None
        return scale if scale > 0 else None

    def _fit(self) -> Path:
        candidates = [self.root / folder / self.name / FIT_FILE for folder in FIT_FOLDERS]
        for path in candidates:
            if path.is_file():
                return path
        raise ScanError(
            f"{self.root / BODIES / self.name}: no {BODY_FILE} and no {FIT_FILE}; the body of "
            f"{self.name} is needed"
        )

    def _parameters(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """K [3, 3] and world_to_camera [4, 4] as stored."""
        return read_camera(self._file("intrinsic", index), self._file("extrinsic", index))


def export_views(folder: Path, root: Path, name: str) -> None:
    """Write a view folder with depth as the scan `name` under `root`. Raises InputError when it
    cannot be read."""
    cameras = load_cameras(folder, torch.float64)
    placed = PlacedBody.load(folder / BODY_FILE)
    scale = float(placed.body.nu_per_metre) / UNITS_PER_METER
    for i in range(len(cameras)):
        view = f"{name}_{i:03d}"
        rgb = read_image(view_path(folder, "rgb", i), "RGB")
        mask = read_image(view_path(folder, "mask", i), "L")
        z = read_image(view_path(folder, "depth", i), None) * (DEPTH_UNIT / UNITS_PER_METER)
        save_jpeg(root / "img" / view / "0.jpg", rgb)
        save_mask(root / "mask" / view / "0.png", mask)
        save_inverse_depth(
            root / "depth" / view / f"{scale}.png", z, of=view_path(folder, "depth", i)
        )
        w2c = cameras[i].world_to_camera.clone()
        w2c[:3, 3] /= UNITS_PER_METER
        parm = root / "parm" / view
        save_camera(
            parm / "0_intrinsic.npy",
            parm / "0_extrinsic.npy",
            cameras[i].K.numpy(),
            w2c.numpy(),
        )
    placed.save(root / BODIES / name / BODY_FILE)
    save_cameras(root / BODIES / name, cameras)
