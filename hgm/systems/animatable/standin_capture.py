"""The capture of a stand-in person, in AvatarReX's files, with exact parameters.

Elbows and knees darken as they bend (`hgm.standin.creases`): what a pose does to a picture is then
real, and stated. Trunk and limbs follow curves that do not correlate, since an avatar takes one
joint for another that always moves with it; the held-out motion is another one.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from hgm.body.motion.cycles import cycle
from hgm.body.motion.files import write_motion
from hgm.body.motion.planting import planted
from hgm.body.motion.sequence import Motion
from hgm.core.files import atomic_write
from hgm.core.items import Outcome
from hgm.core.keys import derived_seed, key_of
from hgm.errors import InputError
from hgm.render.pool import Item, do_in_workers
from hgm.standin.actor import body_of, frame_of
from hgm.standin.assets import load_assets
from hgm.standin.body.skinning import pose_body
from hgm.standin.writer import MARKER
from hgm.systems.animatable.captures.avatarrex import AvatarReX
from hgm.systems.animatable.captures.calibration import write_json_cameras
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.filming import TASK, Scene, rig
from hgm.systems.animatable.layout import MISSING, PARAMETERS
from hgm.systems.animatable.settings import Standin

STAGE = "capture_frame"
WORN = 0.06  # m that shoes and hair add to a person's height
FPS = 30.0
MARKER_TEXT = """This is not AvatarReX.
It is the generated, free capture of a stand-in person in its files, made from public-domain (CC0)
parts. Its parameters belong to the stand-in body models and mean nothing with the real SMPL-X
files. Numbers measured on it say nothing about real data.
"""


def scene_of(standin: Standin) -> Scene:
    """The stand-in and its height, which the cameras are placed by."""
    assets = load_assets()
    fit = {**frame_of({}), "betas": body_of(standin.person).fit["betas"]}
    rest = pose_body(assets.skeleton, fit)
    heights = rest.carry(rest.rest, assets.skeleton.weights)[:, 1]
    return Scene(standin=standin, ground=float(heights.min()), height=float(np.ptp(heights)) + WORN)


def motion_of(scene: Scene, seed: int) -> Motion:
    """The frames to train on, a random motion on the spot, and then the held-out motion; the
    soles of the standing person are at 0 of y."""
    standin = scene.standin

    def made(name: str, frames: int) -> Motion:
        return cycle(name, frames, FPS, derived_seed(seed, "capture", name))

    moving = made("random", standin.train_frames)
    height = planted(moving.global_orient, moving.body_pose)[:, 1]
    transl = np.zeros_like(moving.transl)
    transl[:, 1] = height
    whole = Motion.joined(
        [dataclasses.replace(moving, transl=transl), made(standin.motion, standin.test_frames)]
    )
    return dataclasses.replace(
        whole,
        transl=(whole.transl - np.array([0.0, scene.ground, 0.0])).astype(np.float32),
        betas=np.asarray(body_of(standin.person).fit["betas"], np.float32).reshape(1, -1),
    )


def write_rig(root: Path, standin: Standin, seed: int) -> list[Path]:
    """Write what all frames of the stand-in's capture share into the folder `root`: calibration,
    parameters, an empty list of lacking pictures, STANDIN; returns these files. What another
    capture left in the folder goes."""
    scene = scene_of(standin)
    motion = motion_of(scene, seed)
    cameras = rig(scene)
    layout = AvatarReX()
    for folder in root.glob("*/mask"):
        if folder.parent.name not in cameras:
            shutil.rmtree(folder.parent)
    for name in cameras:
        for kind in (layout.image, layout.mask):
            for path in (root / kind(name, 0)).parent.glob("*.jpg"):
                if path.stem.isdecimal() and int(path.stem) >= len(motion):
                    path.unlink()
    views = {
        name: Viewpoint(c.K.numpy(), c.world_to_camera.numpy(), c.width, c.height)
        for name, c in cameras.items()
    }
    write_json_cameras(root / layout.calibration, views)
    write_motion(root / PARAMETERS, motion)
    for name, text in ((MISSING, ""), (MARKER, MARKER_TEXT)):
        with atomic_write(root / name, "w") as file:
            file.write(text)
    return [root / name for name in (layout.calibration, PARAMETERS, MISSING, MARKER)]


def make_frames(
    root: Path,
    standin: Standin,
    numbers: Sequence[int],
    *,
    seed: int,
    scratch: Path,
    workers: int = 1,
    common: str = "",
    progress: Callable[[int, str], None] | None = None,
) -> Outcome:
    """Make the pictures of these frames of the stand-in's capture in the folder `root`, beside what
    `write_rig` writes.

    scratch: folder for rendered frames, each of which is done once for its key; it is deleted at
    the end. workers: processes, a core each. common: digest of whatever else decides the pictures.
    Raises InputError for a frame that cannot be rendered, and as `do_in_workers`.
    """
    scene = scene_of(standin)
    motion = motion_of(scene, seed)
    # the lengths of the two motions decide no picture
    settings = scene.model_dump(exclude={"standin": {"train_frames", "test_frames"}})
    items = []
    for number in numbers:
        frame = {k: v.tolist() for k, v in motion.frame(number).items() if k != "betas"}
        data = {"parameters": frame}
        items.append(Item(f"{number:08d}", key_of(settings, data, common), data))
    outcome = do_in_workers(
        TASK,
        items,
        scratch,
        scene,
        stage=STAGE,
        noun="frame",
        workers=workers,
        progress=progress,
    )
    if outcome.failed:
        name, reason = next(iter(outcome.failed.items()))
        raise InputError(f"{root}: frame {name} cannot be rendered: {reason}")
    _gather(scratch, root, list(rig(scene)), outcome.members)
    shutil.rmtree(scratch)
    return outcome


def _gather(scratch: Path, root: Path, cameras: Sequence[str], names: Iterable[str]) -> None:
    """Put the pictures of the frames' folders where the layout has them: links, where the file
    system has them, so that an interrupted job finds its frames again."""
    layout = AvatarReX()
    for name in names:
        for camera in cameras:
            for suffix, place in (("", layout.image), ("_mask", layout.mask)):
                source = scratch / name / f"{camera}{suffix}.jpg"
                target = root / place(camera, int(name))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                try:
                    os.link(source, target)
                except OSError:
                    shutil.copyfile(source, target)
