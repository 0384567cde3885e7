"""What drives the avatars of a run, by its name or file; and the verb `hgm animate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hgm.errors import InputError
from hgm.systems.monogaussian.animation import FILM, film_avatar
from hgm.systems.monogaussian.avatar import MODEL, HeadAvatar
from hgm.systems.monogaussian.clip import Clip, concatenated
from hgm.systems.monogaussian.clip_file import read_clip
from hgm.systems.monogaussian.driving import Driving
from hgm.systems.monogaussian.layout import PARAMETERS
from hgm.systems.monogaussian.plan import FILMS, Plan

FPS = 30  # of motions that do not say it
VIEWS = ("front", "orbit", "own")


def driving(
    motion: str | Path, clips: Sequence[Clip], frames: int, view: str = "own"
) -> tuple[Driving, int]:
    """A motion as it drives avatars of these training clips, and its frames a second.

    motion: `sweep` or `orbit`, of so many frames; a flame_params.json; or the npz file of a body's
    motion, of which neck, head, jaw, eyes and face are taken. view: `front` is the camera of the
    clips' first frame, `orbit` goes around, `own` is the motion's, in front where it has none.
    Raises InputError for a motion that is not there, damaged or not finite.
    """
    whole = concatenated(clips)
    found, fps = _moving(motion, whole, frames)
    if view == "own":
        return found, fps
    seen = (
        Driving.orbit(whole, len(found))
        if view == "orbit"
        else Driving.from_clip(whole[np.zeros(len(found), int)])
    )
    cameras = {name: getattr(seen, name) for name in ("focal", "center", "world_to_camera")}
    return dataclasses.replace(found, **cameras), fps


def _moving(motion: str | Path, clip: Clip, frames: int) -> tuple[Driving, int]:
    if motion == "sweep":
        return Driving.sweep(clip, frames), FPS
    if motion == "orbit":
        return Driving.orbit(clip, frames), FPS
    path = Path(motion)
    if path.suffix == ".npz":
        from hgm.body.motion import read_motion

        given = read_motion(path)
        return Driving.from_motion(given, clip), round(given.fps)
    if path.name != PARAMETERS:
        raise InputError(
            f"--motion: {motion} is none of {', '.join(FILMS)}, of the run's clips, a "
            f"{PARAMETERS}, or a body's motion (.npz)"
        )
    return Driving.from_clip(read_clip(path.parent, pictures=False)), FPS


def animate(
    run: Path,
    config: Mapping[str, Any],
    motion: str,
    out: Path,
    *,
    view: str = "front",
    variant: str | None = None,
    size: int = 512,
    frames: int = 90,
    fps: int | None = None,
    device: str = "auto",
) -> Path:
    """Drive an avatar of the finished run by a motion (see `driving`; or the name of one of the
    run's clips) and write its film and Gaussians to `out`; returns the film. Raises InputError as
    `driving`, and where the run has no such avatar."""
    from hgm.core.devices import select_device

    if view not in VIEWS:
        raise InputError(f"--view: {view} is none of {', '.join(VIEWS)}")
    plan = Plan(config)
    chosen = variant or plan.variants[0]
    folder = run / "avatar" / chosen
    if not (folder / MODEL).is_file():
        known = ", ".join(sorted(p.parent.name for p in run.glob(f"avatar/*/{MODEL}"))) or "none"
        raise InputError(f"--variant: {run} has no avatar {chosen}; it has {known}")
    clips = {name: Path(plan.clip(name).replace("<results>", str(run))) for name in plan.clips}
    training = [read_clip(clips[name].parent, pictures=False) for name in plan.training_clips]
    driver, own_fps = driving(str(clips.get(motion, motion)), training, frames, view)
    film_avatar(
        HeadAvatar.load(folder, select_device(device)),
        driver,
        out,
        size=size,
        fps=fps or own_fps,
        backend=config["splat"],
    )
    return out / FILM
