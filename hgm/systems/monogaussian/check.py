"""Whether a clip's parameters fit its pictures: the posed head, projected by what the file says,
against the masks. A wrong sign, axis or unit shows here, before an avatar is trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hgm.body.flame import HeadModel
from hgm.cameras import Cameras
from hgm.core.keys import digest, file_digest
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.images.views import save_png
from hgm.splat.silhouettes import silhouettes
from hgm.splat.surfels import Surfels
from hgm.systems.monogaussian.clip import SCALE, Clip
from hgm.systems.monogaussian.clip_file import read_lone
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.held_out import read_held_out
from hgm.systems.monogaussian.layout import HELD_OUT_LIST, KINDS, PARAMETERS

FRAMES = 8  # of a clip that are looked at
SIZE, SHOWN = 128, 256  # pixels: of what is compared, and of the overlay
CELL = 0.04  # edge of the patches of the head's surface, head units
NOT_FACE = (14, 15, 16, 17, 18)  # CelebAMask: neck, necklace, cloth, hair, hat
JAW = 2  # joint of the head model
# The least mean overlap. FLAME has no hair and ends at the neck: where label maps tell the face
# from these, only what is not one of these is compared; else all that is above the chin.
LEAST = {"face": 0.85, "above the chin": 0.6}
CLEARLY = 0.05  # by which another reading of the file, which fits, has to fit better to be named
OVERLAY = np.array([255, 80, 40])  # the head's color in the overlay

MIRRORED = "the head is mirrored: fx has the wrong sign, since the format stores it reversed"
# What may be wrong, and how the camera's axes (x right, y down, z forward) and translation change
# where it is put right.
CAUSES: dict[str, tuple[tuple[int, int, int], float]] = {
    MIRRORED: ((-1, 1, 1), 1.0),
    "the head is upside down: fy has the wrong sign, or the y axis of world_mat does": (
        (1, -1, 1),
        1.0,
    ),
    "world_mat is in OpenCV's axes, the format's are OpenGL's (y up, z backward)": (
        (1, -1, -1),
        1.0,
    ),
    "the head is behind the camera: the z axis of world_mat has the wrong sign": ((1, 1, -1), 1.0),
    "the picture is turned by half a turn: x and y axes of world_mat have wrong signs": (
        (-1, -1, 1),
        1.0,
    ),
    "world_mat and fx are in OpenCV's terms, the format's are OpenGL's with reversed fx": (
        (-1, -1, -1),
        1.0,
    ),
    "translations are in meters, expected quarters of a meter: multiply them by 4": (
        (1, 1, 1),
        4.0,
    ),
    "translations are 4 times too large: they are quarters of a meter already": ((1, 1, 1), 0.25),
    "translations are in millimeters, expected quarters of a meter: multiply them by 0.004": (
        (1, 1, 1),
        0.004,
    ),
}


NO_CAUSE = (
    "no single wrong sign, axis or unit explains it: look at the overlay, and whether the "
    "parameters are those of FLAME 2020"
)


def check_tracking(
    clip: Clip, head: HeadModel, check: Path, overlay: Path, failed: Path, *, backend: str = "auto"
) -> dict[str, Any]:
    """Compare a clip with the head; write what was found as JSON to `check` and the head over the
    frames that were compared to `overlay`, and return what was found.

    Raises InputError where the clip does not fit: its overlap (IoU) is below LEAST, or another
    reading of its file fits clearly better. The overlay is then at `failed`, which has to be no
    output of the job, since those are deleted with a job that fails.
    """
    found, picture = _compared(clip, head, backend)
    failed.unlink(missing_ok=True)
    if not found["fits"]:
        save_png(failed, picture)
        raise InputError(f"{clip.folder / PARAMETERS}: {_fault(found)} (see {failed})")
    save_png(overlay, picture)
    write_json(check, found)
    return found


def content_digest(clip: Clip) -> str:
    """A hash of the files that jobs read of a clip: its parameters, the pictures of its frames,
    those of other cameras and of lone expressions. Other files beside them do not count."""
    paths = _files_of(clip)
    lone = read_lone(clip.folder)
    if lone is not None:
        paths += _files_of(lone)
    held_out = read_held_out(clip.folder)
    if held_out is not None:
        paths.append(clip.folder / HELD_OUT_LIST)
        paths += [held_out.path(c, k) for c in held_out.cameras for k in held_out.frames]
    lines = [
        f"{path.relative_to(clip.folder).as_posix()} {file_digest(path)}"
        for path in paths
        if path.is_file()
    ]
    return digest("\n".join(lines))


def _files_of(clip: Clip) -> list[Path]:
    """A clip's parameters and the pictures of its frames."""
    pictures = [clip.path(kind, i) for kind in KINDS for i in range(len(clip))]
    return [clip.folder / PARAMETERS, *pictures]


def _fault(found: Mapping[str, Any]) -> str:
    """What is wrong with a clip that does not fit."""
    if found["iou"] >= found["least"]:  # as a mirrored head does, which is nearly the same area
        return str(found["cause"])
    return (
        f"the head does not fit the pictures, their overlap is {found['iou']:.2f}, expected "
        f"{found['least']:.2f} or more; {found['cause'] or NO_CAUSE}"
    )


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union [F] of areas [F, 1, H, W]; 0 where both are empty."""
    both = (a & b).sum((1, 2, 3))
    return both / (a | b).sum((1, 2, 3)).clamp(min=1)


def _compared(clip: Clip, head: HeadModel, backend: str) -> tuple[dict[str, Any], np.ndarray]:
    """What is found of a clip, and its overlay, uint8 [SHOWN, frames * SHOWN, 3]."""
    chosen = np.unique(np.linspace(0, len(clip) - 1, FRAMES).round().astype(int))
    part = clip[chosen]
    comparison = _Comparison(part, head, backend)
    overlaps = comparison.overlaps()
    overlap = float(overlaps.mean())
    others = {cause: float(comparison.overlaps(*change).mean()) for cause, change in CAUSES.items()}
    cause, best = max(others.items(), key=lambda item: item[1])
    least = LEAST[comparison.compared]
    explained = best > overlap + CLEARLY and best >= least
    if not explained and (part.focal[:, 0] < 0).any():
        # a face is nearly its mirror image, but no camera mirrors
        cause, explained = MIRRORED, True
    found = {
        "iou": overlap,
        "least": least,
        "compared": comparison.compared,
        "fits": overlap >= least and not explained,
        "cause": cause if explained else None,
        "frames": dict(zip(part.names, overlaps.tolist(), strict=True)),
        "set_aside": dict(clip.set_aside),
        # who works on the pictures depends on this file, not on each of them
        "content": content_digest(clip),
    }
    return found, np.concatenate(comparison.overlays(), 1)


class _Comparison:
    """Frames of a clip, and the head posed in each."""

    def __init__(self, clip: Clip, head: HeadModel, backend: str) -> None:
        self.backend = backend
        self.clip = clip
        shape = torch.from_numpy(clip.shape).expand(len(clip), -1)
        expression, pose = torch.from_numpy(clip.expression), torch.from_numpy(clip.pose)
        with torch.no_grad():
            self.vertices = SCALE * head(shape, expression, pose).vertices.float()
        self.surfels = Surfels.of(self.vertices[0], head.faces, cell=CELL)
        self.jaw = head.weights.argmax(1) == JAW
        pictures = ClipPictures([clip], SIZE)
        self.masks = torch.stack([pictures.mask(i) for i in range(len(clip))]) / 255.0
        self.known = None
        if all(pictures.has_semantic(i) for i in range(len(clip))):
            labels = torch.stack([pictures.semantic(i) for i in range(len(clip))])[:, None]
            self.known = ~torch.isin(labels, torch.tensor(NOT_FACE, dtype=torch.uint8))

    @property
    def compared(self) -> str:
        """A key of LEAST."""
        return "above the chin" if self.known is None else "face"

    def cameras(self, axes: Sequence[int], shift: float, size: int) -> Cameras:
        """The clip's cameras with some axes reversed and translations multiplied. A negative focal
        length is one more reversed axis."""
        given = self.clip.cameras(size)
        K, w2c = given.K.clone(), given.world_to_camera.clone()
        signs = torch.tensor([*axes, 1.0]) * torch.ones(len(K), 4)
        signs[:, :2] *= K[:, [0, 1], [0, 1]].sign()
        K[:, [0, 1], [0, 1]] = K[:, [0, 1], [0, 1]].abs()
        w2c[:, :3, 3] *= shift
        return Cameras(K, signs[:, :, None] * w2c, size, size)

    def overlaps(self, axes: Sequence[int] = (1, 1, 1), shift: float = 1.0) -> Tensor:
        """The overlap [F] of head and mask where both can be compared."""
        cameras = self.cameras(axes, shift, SIZE)
        heads = self._silhouettes(cameras)
        known = self._above_the_chin(cameras) if self.known is None else self.known
        return iou((heads > 0.5) & known, (self.masks > 0.5) & known)

    def overlays(self) -> list[np.ndarray]:
        """The pictures, uint8 [H, W, 3], with the head tinted."""
        pictures = ClipPictures([self.clip], SHOWN)
        heads = self._silhouettes(self.cameras((1, 1, 1), 1.0, SHOWN))
        shares = 0.5 * heads.movedim(1, -1).numpy()
        images = [pictures.image(i).movedim(0, -1).numpy() for i in range(len(pictures))]
        return [
            np.rint(image * (1 - share) + OVERLAY * share).astype(np.uint8)
            for image, share in zip(images, shares, strict=True)
        ]

    def _silhouettes(self, cameras: Cameras) -> Tensor:
        """The head's coverage [F, 1, H, W]."""
        with torch.no_grad():
            return torch.cat(
                [
                    silhouettes(v, self.surfels, cameras[i : i + 1], backend=self.backend)
                    for i, v in enumerate(self.vertices)
                ]
            ).cpu()

    def _above_the_chin(self, cameras: Cameras) -> Tensor:
        """Whether a pixel [F, 1, H, 1] is above the lowest point of the jaw."""
        pixels = cameras.project(self.vertices[:, self.jaw])[0]
        lowest = pixels[..., 1].amax(1)
        return (torch.arange(cameras.height) < lowest[:, None])[:, None, :, None]
