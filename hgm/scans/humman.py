"""HuMMan-Recon: ten Kinects around a person, SMPL fits, no scan to render
(caizhongang/humman_toolbox, humman_recon).

`p000455_a000986/` is one sequence: `kinect_color/kinect_000/000000.png`,
`kinect_mask/kinect_000/000000.png` (or `kinect_mask_manual`), `smpl_params/000000.npz` (betas,
body_pose, global_orient, transl) and `cameras.json` with K, R, T (world to camera, OpenCV, meters)
of `kinect_color_000 …`. The world is the frame of kinect_color_000, so y points down. A member here
is one frame, `p000455_a000986_000006`; without a frame it is the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.body.canonical import canonical
from hgm.body.files import PlacedBody
from hgm.body.model import BodyModel
from hgm.body.smpl import load_smpl, nearest_smplx, smpl_file
from hgm.cameras import Cameras
from hgm.errors import InputError, ScanError
from hgm.geometry.rotations import rotation_matrix
from hgm.scans.data_views import KINECTS
from hgm.scans.given import GivenView

FRAME = "000000"
# the first for all sequences, the second for the test split
MASKS = ("kinect_mask", "kinect_mask_manual")
SHAPES = {"betas": 10, "body_pose": 69, "global_orient": 3, "transl": 3}
MARGIN = 1.1  # edge of the square crop over the longer edge of the person's box


@dataclass(frozen=True)
class HummanFiles:
    """Where one frame of a sequence lies."""

    root: Path
    name: str

    @property
    def place(self) -> Path:
        return self.root / self._parts[0]

    def own_files(self) -> list[Path]:
        """The files of the data set that decide the frame, whether they exist or not."""
        pictures = [path for i in range(KINECTS) for path in (self._color(i), self._mask(i))]
        return [*pictures, self.place / "cameras.json", self._fit_file]

    @cached_property
    def _parts(self) -> tuple[str, str]:
        """Sequence and frame."""
        sequence, _, frame = self.name.rpartition("_")
        return (self.name, FRAME) if frame.startswith("a") else (sequence, frame)

    def _color(self, index: int) -> Path:
        return self.place / "kinect_color" / f"kinect_{index:03d}" / f"{self._parts[1]}.png"

    def _mask(self, index: int) -> Path:
        paths = [
            self.place / kind / f"kinect_{index:03d}" / f"{self._parts[1]}.png" for kind in MASKS
        ]
        return next((path for path in paths if path.is_file()), paths[0])

    @property
    def _fit_file(self) -> Path:
        return self.place / "smpl_params" / f"{self._parts[1]}.npz"


@dataclass(frozen=True)
class HummanFrame(HummanFiles):
    """One frame of a sequence. The views are cut to squares of one size around the person."""

    model: BodyModel  # neutral SMPL-X
    models: Path  # folder that holds smpl/SMPL_NEUTRAL.npz or .pkl

    @cached_property
    def cameras(self) -> Cameras:
        """A point v of the world becomes s Rᵀ (v - pelvis): pelvis at the origin, facing +z, s
        normalized units a meter. A camera R_c v + T_c then reads R_c R x + s (R_c pelvis + T_c), in
        normalized units."""
        fit = self._fit
        s = float(self.placed_body.body.nu_per_metre)
        pelvis = load_smpl(self.models).rest_joints(fit["betas"])[0] + fit["transl"]
        R = rotation_matrix(fit["global_orient"])
        stored = self._stored
        w2c = np.zeros((KINECTS, 4, 4))
        K = np.zeros((KINECTS, 3, 3))
        for i, (intrinsics, R_c, T_c) in enumerate(stored):
            left, top = self._corners[i]
            K[i] = intrinsics - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]])
            w2c[i, :3, :3] = R_c @ R
            w2c[i, :3, 3] = s * (R_c @ pelvis + T_c)
            w2c[i, 3, 3] = 1
        return Cameras(torch.from_numpy(K), torch.from_numpy(w2c), self._edge, self._edge)

    @cached_property
    def placed_body(self) -> PlacedBody:
        fit = self._fit
        params = nearest_smplx(load_smpl(self.models), fit["betas"], fit["body_pose"], self.model)
        with torch.no_grad():
            return PlacedBody(params, canonical(self.model, params))

    @property
    def has_depth(self) -> bool:
        """The depth cameras are others than the color cameras."""
        return False

    def files(self) -> list[Path]:
        return [*self.own_files(), smpl_file(self.models)]

    def picture(self, index: int) -> GivenView:
        rgb = _image(self._color(index), "RGB")
        mask = self._masks[index]
        if rgb.shape[:2] != mask.shape:
            raise ScanError(
                f"{self._color(index)}: {rgb.shape[1]} x {rgb.shape[0]} pixels, its mask has "
                f"{mask.shape[1]} x {mask.shape[0]}"
            )
        a = mask[..., None].astype(np.uint32)
        white = ((rgb * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)
        box = (*self._corners[index], *(self._corners[index] + self._edge))
        coverage = np.asarray(Image.fromarray(mask).crop(box))
        # beyond the image crop gives 0: white
        whole = np.asarray(Image.fromarray(255 - white).crop(box))
        return GivenView(255 - whole, coverage)

    @cached_property
    def _masks(self) -> list[np.ndarray]:
        """Coverage [H, W] uint8 of every view."""
        masks = []
        for i in range(KINECTS):
            mask = _image(self._mask(i), "L")
            masks.append(mask * np.uint8(255) if mask.max() == 1 else mask)
            if not mask.any():
                raise ScanError(f"{self._mask(i)}: nobody is in this view; the mask is empty")
        return masks

    @cached_property
    def _boxes(self) -> np.ndarray:
        """Left, top, right, bottom of the person in every view, [V, 4] in pixels."""
        boxes = []
        for mask in self._masks:
            ys, xs = np.nonzero(mask > 127) if (mask > 127).any() else np.nonzero(mask)
            boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        return np.array(boxes)

    @cached_property
    def _edge(self) -> int:
        return int(np.ceil(MARGIN * (self._boxes[:, 2:] - self._boxes[:, :2]).max()))

    @cached_property
    def _corners(self) -> np.ndarray:
        """Left and top of the crop of every view, [V, 2] whole pixels; may lie outside of the
        image."""
        return np.floor((self._boxes[:, :2] + self._boxes[:, 2:] - self._edge) / 2).astype(int)

    @cached_property
    def _fit(self) -> dict[str, np.ndarray]:
        path = self._fit_file
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {
                    key: np.asarray(data[key], np.float64).reshape(-1)
                    for key in SHAPES
                    if key in data.files
                }
        except OSError as error:
            raise ScanError(
                f"{path}: cannot be read ({error.strerror or error}); {self.name} needs its SMPL "
                "parameters"
            ) from None
        # a damaged archive can raise anything from zipfile, zlib and the parser of the heads
        except Exception as error:
            raise ScanError(f"{path}: not a readable npz file ({error}); copy it again") from None
        for key, width in SHAPES.items():
            if (
                key not in arrays
                or arrays[key].shape != (width,)
                or not np.isfinite(arrays[key]).all()
            ):
                raise ScanError(
                    f"{path}: {key} is missing or not {width} finite numbers; expected the SMPL "
                    "fit of a frame"
                )
        return arrays

    @cached_property
    def _stored(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """K [3, 3], R [3, 3] and T [3] of every color camera."""
        path = self.place / "cameras.json"
        try:
            data = json.loads(path.read_text())
        except OSError as error:
            raise ScanError(
                f"{path}: cannot be read ({error.strerror}); {self.name} needs its cameras"
            ) from None
        except ValueError as error:
            raise ScanError(f"{path}: not a readable JSON file ({error}); copy it again") from None
        cameras = []
        for i in range(KINECTS):
            try:
                K, R, T = (
                    np.array(data[f"kinect_color_{i:03d}"][key], np.float64)
                    for key in ("K", "R", "T")
                )
                T = T.reshape(3)
            except (KeyError, TypeError, ValueError) as error:
                raise ScanError(
                    f"{path}: kinect_color_{i:03d} lacks a numeric K, R or T ({error})"
                ) from None
            if (
                K.shape != (3, 3)
                or R.shape != (3, 3)
                or np.abs(R @ R.T - np.eye(3)).max() > 1e-3
                or K[0, 0] <= 0
            ):
                raise ScanError(
                    f"{path}: kinect_color_{i:03d} is not a pinhole camera with a rotation R and "
                    "K in pixels"
                )
            cameras.append((K, R, T))
        return cameras


def humman_frame(root: Path, name: str, model: BodyModel, models: Path) -> HummanFrame:
    """A frame of a sequence under `root`. Raises InputError when there are no sequences, ScanError
    without this one."""
    frame = HummanFrame(root, name, model, models)
    if not frame.place.is_dir():
        if not any(root.glob("p??????_a??????")):
            raise InputError(
                f"{root}: no sequences; expected p000455_a000986 with kinect_color and "
                "cameras.json in it"
            )
        raise ScanError(f"{frame.place}: no such sequence; copy it again")
    return frame


def _image(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image.convert(mode))
    except Exception as error:  # a damaged file can raise anything from the decoder
        raise ScanError(
            f"{path}: not a readable image ({getattr(error, 'strerror', None) or error}); copy it "
            "again"
        ) from None
