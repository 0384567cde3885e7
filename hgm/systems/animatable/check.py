"""The gate: whether the body of a capture's parameters, projected by its calibration, lies on the
masks. A wrong convention, axis or unit shows here, before an avatar is trained on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hgm.body.joints import HAND_WIDTH, HANDS
from hgm.body.model import BodyModel
from hgm.body.motion.sequence import TABLES, Motion
from hgm.cameras import Cameras
from hgm.core.keys import digest, file_digest
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.geometry.rays import RayMesh
from hgm.geometry.rotations import rotation_matrix
from hgm.images.views import save_png
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.footage import Footage, Shot
from hgm.systems.animatable.captures.usable import COVERED, name_of, unusable_shots
from hgm.systems.animatable.layout import PARAMETERS

FRAMES, CAMERAS = 8, 24  # that are looked at, spread over all
FEW_FRAMES, FEW_CAMERAS = 3, 6  # in which other readings of the files are tried
SIZE = 128  # longer edge in pixels of what is compared
OUTSIDE, IOU = 0.20, 0.50  # of each camera: at most, and at least
CLEARLY = 0.05  # by which another reading, which fits, has to fit better to be named
HAND_OUTSIDE = 0.10  # by which fewer of the fingers' vertices may be outside with the mean hand
FINGERS = 25  # first joint of the fingers
SHOWN_FRAMES, SHOWN_CAMERAS, SHOWN = 4, 6, 192  # of the overlay, and the height of its pictures
OVERLAY = np.array([0, 190, 255])  # the body's color in the overlay

FLAT_HANDS = (
    "hands are offsets from SMPL-X's mean hand: the format's are rotations, export them with "
    "flat_hand_mean=True"
)
NO_CAUSE = (
    "no single wrong axis, unit or sign explains it: look at the overlay, and whether parameters "
    "and pictures are of the same frames and of the same person"
)


@dataclass(frozen=True)
class Placed:
    """Where the body of a frame is."""

    place: np.ndarray  # [3] transl
    pelvis: np.ndarray  # [3] of the shaped body at rest
    turn: np.ndarray  # [3, 3] of the root


# A body that was meant elsewhere is seen as by another camera: so is every other reading one.
Reading = Callable[[Cameras, Placed], Cameras]


def _seen(change: Callable[[np.ndarray, Placed], np.ndarray]) -> Reading:
    """A reading with another world_to_camera [4, 4]."""

    def read(camera: Cameras, body: Placed) -> Cameras:
        w2c = change(camera.world_to_camera.double().numpy(), body)
        return dataclasses.replace(camera, world_to_camera=torch.from_numpy(w2c).float())

    return read


def _placed(change: Callable[[Placed], np.ndarray]) -> Reading:
    """A reading whose bodies are shifted by what a function gives [3]."""

    def shifted(w2c: np.ndarray, body: Placed) -> np.ndarray:
        shift = np.eye(4)
        shift[:3, 3] = change(body)
        return w2c @ shift

    return _seen(shifted)


def _turned(axis: int, degrees: float) -> Reading:
    """A reading whose bodies are in another world, turned about an axis."""
    turn = np.eye(4)
    turn[:3, :3] = rotation_matrix(np.deg2rad(degrees) * np.eye(3)[axis])
    return _seen(lambda w2c, body: w2c @ turn)


def _mirrored(axis: int) -> Reading:
    """A reading of pictures that are mirrored, x left and right, y up and down."""

    def read(camera: Cameras, body: Placed) -> Cameras:
        K = camera.K.clone()
        K[axis, 2] = (camera.width, camera.height)[axis] - K[axis, 2]
        K[axis, axis] *= -1
        return dataclasses.replace(camera, K=K)

    return read


def _scaled(factor: float) -> Reading:
    """A reading of T in another unit."""

    def changed(w2c: np.ndarray, body: Placed) -> np.ndarray:
        scaled = w2c.copy()
        scaled[:3, 3] *= factor
        return scaled

    return _seen(changed)


def _from_center(w2c: np.ndarray, body: Placed) -> np.ndarray:
    """world_to_camera where T is the camera's center."""
    changed = w2c.copy()
    changed[:3, 3] = -w2c[:3, :3] @ w2c[:3, 3]
    return changed


# What may be wrong, and how the files are read where it is put right.
CAUSES: Mapping[str, Reading] = {
    "the pictures are mirrored, left and right": _mirrored(0),
    "the pictures are upside down": _mirrored(1),
    "transl is not meant to be added: the body is at the origin": _placed(lambda b: -b.place),
    "transl has the wrong sign": _placed(lambda b: -2 * b.place),
    "transl is where the pelvis is; SMPL-X's is added to the vertices: subtract the pelvis joint "
    "of the shaped body at rest": _placed(lambda b: -b.pelvis),
    "the body turns about the origin, as EasyMocap's Rh and Th do; SMPL-X turns about the pelvis": (
        _placed(lambda b: b.turn @ b.pelvis - b.pelvis)
    ),
    "transl is in centimeters: divide it by 100": _placed(lambda b: -0.99 * b.place),
    "the body's world has z up, that of the cameras y": _turned(0, -90),
    "the body's world has y up, that of the cameras z": _turned(0, 90),
    "the axes y and z of the body's world are reversed": _turned(0, 180),
    "the axes x and z of the body's world are reversed: the person faces backwards": (
        _turned(1, 180)
    ),
    "R and T are camera to world, expected world to camera: invert them": (
        _seen(lambda w2c, body: np.linalg.inv(w2c))
    ),
    "T is the camera's center, expected the translation -R center": _seen(_from_center),
    "T of the calibration is in centimeters: divide it by 100": _scaled(0.01),
    "T of the calibration is in millimeters: divide it by 1000": _scaled(0.001),
    "the cameras have OpenGL's axes (y up, z backward), expected OpenCV's": (
        _seen(lambda w2c, body: np.diag([1.0, -1.0, -1.0, 1.0]) @ w2c)
    ),
}


def check_capture(
    capture: Capture,
    model: BodyModel,
    footage: Footage,
    check: Path,
    overlay: Path,
    failed: Path,
) -> dict[str, Any]:
    """Look at these frames and cameras of a capture, and compare them with its body; write what was
    found as JSON to `check` and the body over pictures to `overlay`, and return what was found.

    Raises InputError as `unusable_shots`, and where the body does not lie on the masks. The overlay
    is then at `failed`, which has to be no output of the job, since those are deleted with a job
    that fails.
    """
    reasons = unusable_shots(capture, footage.shots())
    found, picture = compared(capture.without(reasons), model, footage)
    failed.unlink(missing_ok=True)
    if not found["fits"]:
        save_png(failed, picture)
        raise InputError(f"{capture.root / PARAMETERS}: {found['fault']} (see {failed})")
    found["set_aside"] = {name_of(shot): why for shot, why in sorted(reasons.items())}
    # who works on the pictures depends on this file, not on each of them
    found["content"] = content_digest(capture, footage)
    save_png(overlay, picture)
    write_json(check, found)
    return found


def content_digest(capture: Capture, footage: Footage) -> str:
    """A hash of what jobs read of these frames and cameras of a capture: numbers of the cameras,
    parameters of the frames, pictures and masks. Others do not count, nor do other files."""
    lines = [
        f"{name} {capture.cameras[name].to(torch.float64).to_json()}" for name in footage.cameras
    ]
    motion = capture.motion
    lines += [
        f"{name} {digest(np.ascontiguousarray(getattr(motion, name)[rows]).tobytes())}"
        for name in TABLES
        for rows in [slice(None) if name == "betas" else list(footage.frames)]
    ]
    for shot in footage.shots():
        if capture.has(*shot):
            paths = capture.image_path(*shot), capture.mask_path(*shot)
            lines += [f"{name_of(shot)} {file_digest(path)}" for path in paths]
    return digest("\n".join(lines))


def compared(
    capture: Capture, model: BodyModel, footage: Footage
) -> tuple[dict[str, Any], np.ndarray]:
    """What is found of a capture, and its overlay, uint8 [H, W, 3]. Raises InputError where no
    picture is left to look at."""
    frames, cameras = spread(footage.frames, FRAMES), spread(footage.cameras, CAMERAS)
    gate = _Gate(capture, model, frames, cameras)
    agreements = {name: gate.agreement([name], frames) for name in cameras}
    of_cameras = {name: found for name, found in agreements.items() if found is not None}
    if not of_cameras:
        raise InputError(f"{capture.root}: no picture of frames {frames} is there")
    cause = gate.cause()
    worst = max(of_cameras, key=lambda name: of_cameras[name].outside - of_cameras[name].iou)
    found = of_cameras[worst]
    fault = None
    if found.outside >= OUTSIDE or found.iou <= IOU:
        fault = (
            f"the body does not lie on the masks: camera {worst}, frame {found.frame}: "
            f"{found.outside:.2f} of it is outside, expected under {OUTSIDE:.2f}, and their "
            f"overlap is {found.iou:.2f}, expected over {IOU:.2f}; {cause or NO_CAUSE}"
        )
    elif cause:
        fault = f"another reading of the files fits clearly better: {cause}"
    told = {
        "fits": fault is None,
        "fault": fault,
        "cause": cause,
        "iou": float(np.mean([found.iou for found in of_cameras.values()])),
        "frames": frames,
        "cameras": {
            name: {"outside": found.outside, "iou": found.iou, "worst_frame": found.frame}
            for name, found in of_cameras.items()
        },
    }
    return told, gate.overlay(spread(frames, SHOWN_FRAMES), spread(cameras, SHOWN_CAMERAS))


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most so many of the items, evenly spread, the first and the last among them."""
    places = np.unique(np.linspace(0, len(items) - 1, count).round().astype(int)) if items else []
    return [items[i] for i in places]


@dataclass(frozen=True)
class Agreement:
    """How a body lies on the masks of one or more cameras."""

    outside: float  # share of the body that no mask covers
    iou: float
    frame: int  # the one where it is worst


class _Gate:
    """Frames of a capture, and the body posed in each."""

    def __init__(
        self, capture: Capture, model: BodyModel, frames: Sequence[int], cameras: Sequence[str]
    ) -> None:
        self.capture = capture
        self.frames = list(frames)
        self.masks: dict[Shot, np.ndarray] = {}
        self.cameras = {name: small_camera(capture.cameras[name]) for name in cameras}
        fingers = (model.skinning_weights.argmax(1) >= FINGERS).cpu().numpy()
        motion = capture.motion
        vertices = _vertices(model, motion, frames)
        faces = model.faces.cpu().numpy()
        self.meshes = {i: RayMesh(v, faces) for i, v in vertices.items()}
        other = _vertices(model, with_mean_hands(model, motion), frames)
        # fingers as the files say, and with the mean hand
        self.hands = [{i: v[fingers] for i, v in of.items()} for of in (vertices, other)]
        with torch.no_grad():
            pelvis = model.shaped(torch.from_numpy(motion.betas[0]).to(model.device))[1][0]
        self.bodies = {
            i: Placed(
                motion.transl[i].astype(np.float64),
                pelvis.double().cpu().numpy(),
                rotation_matrix(motion.global_orient[i]),
            )
            for i in frames
        }

    def agreement(
        self, cameras: Sequence[str], frames: Sequence[int], reading: Reading | None = None
    ) -> Agreement | None:
        """Over all pixels of these cameras and frames; None where there is no picture."""
        totals = np.zeros(3)  # pixels of the body, of both, of either
        worst, frame = -math.inf, 0
        for i in frames:
            for name in cameras:
                if not self.capture.has(name, i):
                    continue
                camera = self.cameras[name]
                seen = camera if reading is None else reading(camera, self.bodies[i])
                body, mask = silhouette(self.meshes[i], seen), self._mask(name, i)
                counts = np.array([body.sum(), (body & mask).sum(), (body | mask).sum()])
                totals += counts
                badness = _outside(counts) - _iou(counts)
                if badness > worst:
                    worst, frame = badness, i
        return Agreement(_outside(totals), _iou(totals), frame) if totals[2] else None

    def cause(self) -> str | None:
        """The reading of the files that fits clearly better than the given one; None where the
        given one is best, or none fits."""
        frames, cameras = spread(self.frames, FEW_FRAMES), spread(list(self.cameras), FEW_CAMERAS)
        given = self.agreement(cameras, frames)
        if given is None:
            return None
        best, cause = max(given.iou + CLEARLY, IOU), None
        for name, reading in CAUSES.items():
            found = self.agreement(cameras, frames, reading)
            if found is not None and found.iou > best:
                best, cause = found.iou, name
        flat, mean = (self._outside_masks(hands) for hands in self.hands)
        return FLAT_HANDS if cause is None and flat > mean + HAND_OUTSIDE else cause

    def overlay(self, frames: Sequence[int], cameras: Sequence[str]) -> np.ndarray:
        """Pictures with the body tinted, a row for each frame."""
        return np.concatenate(
            [np.concatenate([self._tinted(name, i) for name in cameras], 1) for i in frames]
        )

    def _tinted(self, camera: str, frame: int) -> np.ndarray:
        whole = self.capture.cameras[camera]
        shown = whole.resized(max(1, round(whole.width * SHOWN / whole.height)), SHOWN)
        if not self.capture.has(camera, frame):
            return np.full((SHOWN, shown.width, 3), 255, np.uint8)
        rgb = self.capture.picture(camera, frame).rgb.movedim(0, -1).numpy()
        small = np.asarray(Image.fromarray(rgb).resize((shown.width, SHOWN)))
        body = silhouette(self.meshes[frame], shown)[..., None]
        return np.where(body, small // 2 + OVERLAY // 2, small).astype(np.uint8)

    def _mask(self, camera: str, frame: int) -> np.ndarray:
        """The person bool [H, W] at the size of what is compared."""
        if (camera, frame) not in self.masks:
            small = self.cameras[camera]
            alpha = Image.fromarray(self.capture.picture(camera, frame).alpha[0].numpy())
            shrunk = alpha.resize((small.width, small.height), Image.Resampling.BOX)
            self.masks[camera, frame] = np.asarray(shrunk) >= COVERED
        return self.masks[camera, frame]

    def _outside_masks(self, points: Mapping[int, np.ndarray]) -> float:
        """The share of points [P, 3] by frame that no mask covers, of those in the pictures."""
        inside = shown = 0
        for name in self.cameras:
            camera = self.capture.cameras[name]
            for i in self.frames:
                if not self.capture.has(name, i):
                    continue
                pixels, depth = camera.project(torch.from_numpy(points[i]).float())
                at = pixels.floor().long().numpy()
                there = ((at >= 0) & (at < (camera.width, camera.height))).all(1)
                there &= (depth > 0).numpy()
                alpha = self.capture.picture(name, i).alpha[0].numpy()
                inside += int((alpha[at[there, 1], at[there, 0]] >= COVERED).sum())
                shown += int(there.sum())
        return 1 - inside / max(shown, 1)


def silhouette(mesh: RayMesh, camera: Cameras) -> np.ndarray:
    """The pixels bool [H, W] of one camera whose centers a mesh covers."""
    origins, directions = (x.movedim(0, -1).numpy() for x in camera.rays())
    return mesh.hits(origins, directions)[0] >= 0


def small_camera(camera: Cameras) -> Cameras:
    """The camera with pictures whose longer edge is SIZE pixels at most."""
    factor = min(1.0, SIZE / max(camera.width, camera.height))
    return camera.resized(*(max(1, round(factor * edge)) for edge in (camera.width, camera.height)))


def with_mean_hands(model: BodyModel, motion: Motion) -> Motion:
    """A motion whose hands are taken for offsets from the model's mean hand."""
    means = model.hand_means.cpu().numpy().reshape(len(HANDS), HAND_WIDTH)
    hands = {name: getattr(motion, name) + means[i] for i, name in enumerate(HANDS)}
    return dataclasses.replace(motion, **hands)


def _vertices(model: BodyModel, motion: Motion, frames: Sequence[int]) -> dict[int, np.ndarray]:
    """The vertices [10475, 3] float64 of some frames, in the world."""
    part = motion[list(frames)]
    with torch.no_grad():
        vertices = model(part.parameters(model)).vertices.double().cpu().numpy()
    return dict(zip(frames, vertices + part.transl[:, None].astype(np.float64), strict=True))


def _outside(counts: np.ndarray) -> float:
    body, both, _ = counts
    return float(1 - both / body) if body else 1.0


def _iou(counts: np.ndarray) -> float:
    return float(counts[1] / max(counts[2], 1))
