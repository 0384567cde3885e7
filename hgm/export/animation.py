"""Films of a reconstructed person who moves: Gaussians of one pose, skinned with their body."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.extents import extents
from hgm.body.extents import grounded as on_ground
from hgm.body.files import load_body, parameters
from hgm.body.model import BodyModel
from hgm.body.motion import CYCLES, Motion
from hgm.body.motion.given import given_motion
from hgm.core.devices import select_device
from hgm.core.manifests import read_json, write_json
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.export.bound import BoundGaussians
from hgm.export.formats import read_gaussians
from hgm.export.quantized import visible
from hgm.export.result import Result
from hgm.export.upright import upright
from hgm.gaussians import Gaussians, quaternions
from hgm.geometry.rotations import rotation_matrices
from hgm.images.filming import FOLLOWING, Course, film_cameras, focal_of
from hgm.images.video import write_video
from hgm.images.views import to_bytes
from hgm.scans.data_source import body_model
from hgm.splat import render

FILM = "rgb.mp4"
RECORD = "film.json"
FIRST = "gaussians_0000.ply"
FPS = 30  # of motions of ours
GROUNDED = tuple(name for name in CYCLES if name != "random")  # motions whose feet stand
SHADOW = (0.24, 0.2)  # meters: deviations of the shadow under a person, sideward and ahead
DARKNESS = 0.25  # its opacity
SAID = (
    "skinned with the body of one picture; what clothes do in other poses was not seen and is not "
    "shown"
)


def animate_result(
    result: Result,
    motion: str,
    out: Path,
    *,
    run: Path | None = None,
    view: str = "front",
    size: int = 512,
    frames: int = 90,
    fps: int | None = None,
    device: str = "auto",
) -> Path:
    """Film a person's Gaussians as the body beside them moves; returns the film, beside which are
    the Gaussians of its first picture and what it is.

    motion: see `given_motion`; frames: of motions of ours. run: the folder results/<run> whose body
    model the body was made with; by default the one that the result lies in. Raises InputError for
    what is not there or does not fit, and for another view.
    """
    if view not in FOLLOWING:
        raise InputError(f"--view: {view} is none of {', '.join(FOLLOWING)}")
    moving = given_motion(motion, frames, fps or FPS)
    chosen = select_device(device)
    body = result.need("body")
    model = _model(result, run, chosen)
    bound = BoundGaussians.of(
        visible(read_gaussians(result.need("gaussians"))).to(chosen),
        model,
        parameters(body).to(chosen),
        torch.from_numpy(np.asarray(load_body(body)["vertices"], np.float32)).to(chosen),
    )
    stage = Stage.of(bound, moving, grounded=motion in GROUNDED)
    cameras = film_cameras(stage.course, view, size, focal=focal_of(stage.reach)).to(chosen)

    def pictures() -> Iterator[np.ndarray]:
        for i in range(len(moving)):
            gaussians = stage.gaussians(bound, moving, i)
            if i == 0:
                upright(gaussians, stage.course, i).save_ply(out / FIRST)
            seen = Gaussians.cat([gaussians, stage.shadow(i, gaussians)])
            yield to_bytes(render(seen, cameras[[i]]).rgb[0])

    out.mkdir(parents=True, exist_ok=True)
    rate = fps or max(1, round(moving.fps))
    write_video(out / FILM, pictures(), fps=rate)
    record = {"motion": Path(motion).name, "frames": len(moving), "fps": rate, "view": view}
    write_json(out / RECORD, {**record, "how": SAID})
    return out / FILM


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a person is in each picture, and the ground below."""

    shifts: np.ndarray  # [F, 3] meters, added to what the body model gives
    course: Course
    ground: float  # meters along the course's `up`
    reach: float  # meters from the points that cameras look at to the farthest part of the body

    @classmethod
    def of(cls, bound: BoundGaussians, motion: Motion, *, grounded: bool) -> Stage:
        """Of a motion of this person. grounded: the lowest point is on the ground in each frame,
        whatever the legs that the motion was made for."""
        turns = rotation_matrices(motion.global_orient)
        shifts = motion.transl.astype(np.float64)
        up = Course.of(shifts, turns).up
        device = bound.model.device
        body_pose, orient = (
            torch.from_numpy(x).to(device) for x in (motion.body_pose, motion.global_orient)
        )
        room = extents(bound.model, bound.turned(body_pose, orient)).moved(shifts)
        if grounded:
            lifts = on_ground(room.lowest(up), up)
            shifts, room = shifts + lifts, room.moved(lifts)
        course = Course.of(room.pelvis, turns)
        target = course.looked_at()
        reach = np.maximum(target - room.low, room.high - target).max()
        return cls(shifts, course, float(room.lowest(up).min()), float(reach))

    def gaussians(self, bound: BoundGaussians, motion: Motion, i: int) -> Gaussians:
        """The person's Gaussians in a frame."""
        posed = bound.posed(*_turns(motion, i, bound))
        return dataclasses.replace(
            posed, means=posed.means + posed.means.new_tensor(self.shifts[i])
        )

    def shadow(self, i: int, like: Gaussians) -> Gaussians:
        """One flat dark Gaussian on the ground under the person, by which the eye sees where the
        feet stand."""
        up, ahead = self.course.up, self.course.headings[i]
        place = self.course.places[i]
        axes = np.stack([np.cross(up, ahead), up, ahead], 1)
        return Gaussians(
            like.means.new_tensor(place + (self.ground - place @ up) * up)[None],
            like.opacities.new_tensor([DARKNESS]),
            like.scales.new_tensor([[SHADOW[0], 1e-3, SHADOW[1]]]),
            quaternions(like.quats.new_tensor(axes)[None]),
            like.colors.new_full((1, 3), 0.35),
        )


def _turns(motion: Motion, i: int, bound: BoundGaussians) -> tuple[Tensor, Tensor]:
    """body_pose [63] and global_orient [3] of a frame."""
    device = bound.model.device
    return (
        torch.from_numpy(motion.body_pose[i]).to(device),
        torch.from_numpy(motion.global_orient[i]).to(device),
    )


def _model(result: Result, run: Path | None, device: str) -> BodyModel:
    """The body model of the run that is named, or that the result lies in."""
    place = result.run if run is None else RunFolder(run)
    if place is None:
        raise InputError(
            f"{result.path}: lies in no run, so that its body model is not known; name the run "
            "with --run results/<run>"
        )
    if not place.record.is_file():
        raise InputError(
            f"--run: {place.path} is not the folder of a run (no run.json); expected for example "
            "results/demo"
        )
    scans = read_json(place.record).get("config", {}).get("scans")
    if not isinstance(scans, dict):
        raise InputError(f"{place.record}: names no scans, and with them no body model")
    return body_model(scans, place, device)
