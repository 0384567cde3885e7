"""The films of a run's avatars: what a motion, a view and the settings make of them; and the verb
`hgm animate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hgm.body.model import JOINTS, BodyModel
from hgm.body.motion import CYCLES, Motion
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.systems.animatable.animation import FILM, Bounds, Film, film_avatar
from hgm.systems.animatable.avatar import MODEL, Avatar
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.driving import course_of, driving_motion, with_hands
from hgm.systems.animatable.frame_transforms import FrameTransforms, frame_transforms
from hgm.systems.animatable.layout import frames_of
from hgm.systems.animatable.plan import Plan
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.settings import Animate
from hgm.systems.animatable.settings import Capture as Section
from hgm.systems.animatable.sources import body_model_of, capture_of
from hgm.systems.animatable.splits import TEST
from hgm.systems.animatable.views import (
    CAMERA,
    CANONICAL,
    View,
    capture_camera,
    following_cameras,
    repeated,
)

SPACE = "pose_space.npz"


class Performer(NamedTuple):
    """Who is filmed: an avatar with what its training left, and its capture."""

    avatar: Avatar
    space: PoseSpace
    section: Section
    capture: Capture
    model: BodyModel

    @classmethod
    def load(cls, folder: Path, section: Section, run: RunFolder, device: str) -> Performer:
        """The avatar in a folder of a run, folded for films. Raises InputError for what is missing
        or damaged."""
        return cls(
            Avatar.load(folder, device).fold(),
            PoseSpace.load(folder / SPACE, device),
            section,
            capture_of(section, run),
            body_model_of(section, run),
        )

    @property
    def trained(self) -> Motion:
        """The capture's motion in the frames that were trained on. Raises InputError for a frame
        that it lacks."""
        return self._part("train")

    def _part(self, kind: str) -> Motion:
        frames, whole = frames_of(getattr(self.section, kind)), self.capture.motion
        if frames[-1] >= len(whole):
            raise InputError(
                f"capture.{kind}: frame {frames[-1]} is asked for, the parameters have frames 0 to "
                f"{len(whole) - 1}"
            )
        return whole[frames]

    def motion(self, name: str, settings: Animate, seed: int) -> Motion:
        """A motion by its name or file, in the capture's world, at the settings' rate at most."""
        if name == TEST:
            return with_hands(self._part("test"), settings.hands)
        frames = max(1, round(settings.seconds * settings.fps))
        found = driving_motion(
            name,
            self.trained,
            self.model,
            hands=settings.hands,
            frames=frames,
            fps=settings.fps,
            seed=seed,
        )
        return found.resampled(settings.fps) if found.fps > settings.fps else found

    def film(self, name: str, settings: Animate, seed: int, seen: str | None = None) -> Film:
        """The film of a motion. Raises InputError as `driving_motion`, for a camera or a view that
        is not there, and for a frame of hands that was not trained on."""
        view = View.of(settings.view if seen is None else f"{settings.view}:{seen}")
        motion = self.motion(name, settings, seed)
        star = self.avatar.canonical.rest_transforms.cpu()
        driven = frame_transforms(self.model, motion, star)
        if view.name == CANONICAL:
            still = torch.eye(4).expand(len(motion), JOINTS, 4, 4)
            driven = FrameTransforms(driven.frames, still, driven.poses)
        course, joints = course_of(driven.transforms, self.avatar.canonical.joints)
        if view.name == CAMERA:
            first = [*self.section.held_out, *self.section.cameras]
            camera = capture_camera(view, self.capture.cameras, first, settings.size)
            cameras = repeated(camera, len(motion))
        else:
            cameras = following_cameras(view, course, joints, settings.size)
        return Film(
            driven,
            course,
            cameras,
            max(1, round(motion.fps)),
            Bounds(self.space, settings.components, settings.sigma),
            self._hand_pose(settings, star) if settings.fix_hand else None,
        )

    def _hand_pose(self, settings: Animate, star: torch.Tensor) -> torch.Tensor:
        frames = frames_of(self.section.train)
        if settings.hand_frame >= len(frames):
            raise InputError(
                f"animate.hand_frame: {settings.hand_frame} of {len(frames)} frames that are "
                f"trained on; expected 0 to {len(frames) - 1}"
            )
        return frame_transforms(self.model, self.trained, star, [settings.hand_frame]).poses[0]


def perform(
    performer: Performer,
    name: str,
    settings: Animate,
    out: Path,
    *,
    seed: int = 0,
    camera: str | None = None,
    backend: str = "auto",
) -> None:
    """Write a film of a motion by its name or file to `out` (`film_avatar`)."""
    film = performer.film(name, settings, seed, camera)
    told = {"motion": Path(name).name, "view": settings.view, "hands": settings.hands}
    film_avatar(performer.avatar, film, out, plys=settings.plys, told=told, backend=backend)


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
    """Drive an avatar of the finished run by a motion (see `driving_motion`; or test, the frames
    that were held out) and write film, frames and Gaussians to `out`; returns the film. What is
    not said here is as the run's section `animate` has it. Raises InputError as `Performer.film`,
    and where the run has no such avatar."""
    from hgm.core.devices import select_device

    plan = Plan(config)
    chosen = variant or plan.variants[0]
    folder = run / "avatar" / chosen
    if not (folder / MODEL).is_file():
        known = ", ".join(sorted(p.parent.name for p in run.glob(f"avatar/*/{MODEL}"))) or "none"
        raise InputError(f"--variant: {run} has no avatar {chosen}; it has {known}")
    seen = View.of(view)
    named = _named(motion, config["animate"]["files"])
    rate = fps or config["animate"]["fps"]
    settings = Animate(
        **{
            **config["animate"],
            "view": seen.name,
            "size": size,
            "seconds": frames / rate,
            "fps": rate,
        }
    )
    performer = Performer.load(
        folder, Section(**plan.capture), RunFolder(run), select_device(device)
    )
    perform(
        performer,
        named,
        settings,
        out,
        seed=config["seed"],
        camera=seen.camera,
        backend=config["splat"],
    )
    return out / FILM


def _named(motion: str, files: Sequence[str]) -> str:
    """The file of a motion that the run's configuration names, else what was given."""
    from hgm.systems.animatable.plan import motion_of

    if motion in (*CYCLES, TEST):
        return motion
    return next((path for path in files if motion_of(path) == motion), motion)
