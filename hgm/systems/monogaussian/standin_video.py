"""The video of a stand-in person who moves head and face, with exact parameters in FLAME's terms.

Neck, head, jaw, eyes and expression follow curves that do not correlate, since an avatar that is
trained on others takes one parameter for another: slow curves of few frequencies cost 5 dB on a
clip of another motion. Shoulders and clothes stay.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hgm.body.flame import HeadModel
from hgm.body.motion.curves import Channel, independent_curves
from hgm.core.keys import derived_seed, key_of
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.render.pool import Item, do_in_workers
from hgm.standin.actor import SMALLEST_TEXTURE, Actor
from hgm.standin.head import head_arrays, head_landmarks, head_parameters
from hgm.systems.monogaussian.clip import EXPRESSION, KEYPOINTS, POSE, SCALE, Clip
from hgm.systems.monogaussian.clip_file import write_clip
from hgm.systems.monogaussian.held_out import HeldOut, write_held_out
from hgm.systems.monogaussian.layout import HELD_OUT, HELD_OUT_LIST, KINDS, LONE, TRUTH
from hgm.systems.monogaussian.portrait import FOCAL, TASK, Portrait, Sitter, body_frame
from hgm.systems.monogaussian.settings import HELD_OUT_CAMERAS, Staging

STAGE = "head_frame"
WINDOW = 40  # frames over which no two parameters correlate
GAZE = 9  # first column of the left eye's rotation; the right eye's is three further
CHUNK = 64  # frames that are posed at once
EYES = (3, 4)  # joints of the head model
CHANNELS = (
    *(Channel("pose", i, -size, size) for i, size in enumerate((0.1, 0.2, 0.06))),  # neck
    *(Channel("pose", 3 + i, -size, size) for i, size in enumerate((0.13, 0.3, 0.08))),  # head
    Channel("pose", 6, 0.0, 0.3),  # jaw
    *(Channel("pose", GAZE + i, -size, size) for i, size in enumerate((0.12, 0.22))),
    *(Channel("expression", i, -2.0, 2.0) for i in range(5)),
)


def parameters(frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Expressions [F, 50] and poses [F, 15] of a clip. Over 40 frames and more, no two of the
    columns that move correlate above 0.3, but those of the two eyes, which look the same way."""
    tables = {"expression": np.zeros((frames, EXPRESSION)), "pose": np.zeros((frames, POSE))}
    curves = independent_curves(CHANNELS, frames, rng, window=WINDOW)
    for channel, curve in zip(CHANNELS, curves.T, strict=True):
        tables[channel.table][:, channel.column] = curve
    tables["pose"][:, GAZE + 3 :] = tables["pose"][:, GAZE : GAZE + 3]
    return tables["expression"].astype(np.float32), tables["pose"].astype(np.float32)


def lone_expressions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Expressions [F, 50] and poses [F, 15], all 0, of a face at rest and then of the first `count`
    expressions that move in a clip, each alone at its two ends."""
    moving = [channel for channel in CHANNELS if channel.table == "expression"][:count]
    expression = np.zeros((1 + 2 * len(moving), EXPRESSION), np.float32)
    for i, channel in enumerate(moving):
        expression[1 + 2 * i : 3 + 2 * i, channel.column] = channel.high, channel.low
    return expression, np.zeros((len(expression), POSE), np.float32)


@dataclass(frozen=True)
class Filming:
    """A person before the camera of a clip."""

    staging: Staging
    size: int  # edge of the pictures in pixels
    sitter: Sitter
    shape: np.ndarray  # [100] of the head model

    @classmethod
    def of(cls, staging: Staging, size: int) -> Filming:
        actor = Actor.of(staging.person, SMALLEST_TEXTURE, skirts=False)
        still = head_parameters(actor, body_frame(np.zeros(POSE), np.zeros(EXPRESSION)))
        sitter = Sitter(actor, still.transform[:3, 3])
        return cls(staging, size, sitter, still.shape.astype(np.float32))

    @property
    def portrait(self) -> Portrait:
        """What the workers that render are told."""
        return Portrait(
            person=self.staging.person,
            texture=self.staging.texture,
            size=self.size,
            origin=self.sitter.origin.tolist(),
        )

    def clip(self, folder: Path, expression: np.ndarray, pose: np.ndarray) -> Clip:
        """The clip of these expressions [F, 50] and poses [F, 15], whose frames are called from 1
        on."""
        count = len(pose)
        w2c = self.sitter.camera(self.size).world_to_camera.numpy().astype(np.float32)
        clip = Clip(
            name=folder.name,
            shape=self.shape,
            names=tuple(str(i + 1) for i in range(count)),
            folders=(folder,) * count,
            focal=np.full((count, 2), FOCAL, np.float32),
            center=np.full((count, 2), 0.5, np.float32),
            expression=expression,
            pose=pose,
            world_to_camera=np.tile(w2c, (count, 1, 1)),
            keypoints=np.zeros((count, KEYPOINTS, 2), np.float32),
        )
        return dataclasses.replace(clip, keypoints=landmarks_seen(clip))

    def held_out(self, clip: Clip, apart: Sequence[str]) -> HeldOut:
        """The other cameras of a clip, which see the frames `apart`."""
        cameras = [self.sitter.camera(self.size, angle) for angle in HELD_OUT_CAMERAS.values()]
        return HeldOut(
            clip.folder,
            tuple(apart),
            tuple(HELD_OUT_CAMERAS),
            focal=clip.focal[:1].repeat(len(cameras), 0),
            center=clip.center[:1].repeat(len(cameras), 0),
            world_to_camera=torch.stack([c.world_to_camera for c in cameras])
            .numpy()
            .astype(np.float32),
        )


def make_clip(
    folder: Path,
    staging: Staging,
    *,
    count: int,
    size: int,
    seed: int,
    frames: Path,
    workers: int = 1,
    common: str = "",
    progress: Callable[[int, str], None] | None = None,
) -> Clip:
    """Make the clip of `count` frames that `folder` is called after, and write it there in
    IMavatar's format, flame_params.json last.

    Where `staging` asks for it, some frames are also seen by held-out cameras (`held_out.py`), and
    a clip within the clip shows one expression at a time (`lone_expressions`). Of parameters with
    errors truth.json beside them says what they are without.

    frames: folder for rendered frames, each of which is done once for its key; it is deleted at the
    end. workers: processes, a core each. common: digest of whatever else decides the pictures.
    Raises InputError for a frame that cannot be rendered, and as `do_in_workers`.
    """
    filming = Filming.of(staging, size)
    curves = np.random.default_rng(derived_seed(seed, "clip", folder.name))
    clip = filming.clip(folder, *parameters(count, curves))
    lone = filming.clip(folder / LONE, *lone_expressions(staging.lone)) if staging.lone else None
    apart = clip.names[:: staging.held_out_every] if staging.held_out_every else ()
    asked = _asked(clip, "", apart)
    if lone is not None:
        asked |= _asked(lone, f"{LONE}_", ())
    portrait = filming.portrait
    outcome = do_in_workers(
        TASK,
        [Item(n, key_of(portrait.model_dump(), data, common), data) for n, data in asked.items()],
        frames,
        portrait,
        stage=STAGE,
        noun="frame",
        workers=workers,
        progress=progress,
    )
    if outcome.failed:
        number, reason = next(iter(outcome.failed.items()))
        raise InputError(f"{folder}: frame {number} cannot be rendered: {reason}")
    for name in (TRUTH, HELD_OUT_LIST):  # of the same clip made otherwise
        (folder / name).unlink(missing_ok=True)
    for name in (*KINDS, HELD_OUT, LONE):
        shutil.rmtree(folder / name, ignore_errors=True)
    _gather(frames, folder, clip.names, "", KINDS)
    if apart:
        _gather(frames, folder / HELD_OUT, apart, "", HELD_OUT_CAMERAS)
        write_held_out(filming.held_out(clip, apart))
    if lone is not None:
        _gather(frames, folder / LONE, lone.names, f"{LONE}_", KINDS)
        write_clip(lone, folder / LONE)
    if staging.pose_noise or staging.expression_noise:
        truth = {"expression": clip.expression.tolist(), "pose": clip.pose.tolist()}
        write_json(folder / TRUTH, truth)
        noise = np.random.default_rng(derived_seed(seed, "noise", folder.name))
        clip = disturbed(clip, staging, noise)
    write_clip(clip, folder)
    shutil.rmtree(frames)
    return clip


def _asked(clip: Clip, prefix: str, apart: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is rendered of a clip's frames, by their names after a prefix."""
    return {
        f"{prefix}{name}": {
            "pose": clip.pose[i].tolist(),
            "expression": clip.expression[i].tolist(),
            "held_out": name in apart,
        }
        for i, name in enumerate(clip.names)
    }


def landmarks_seen(clip: Clip) -> np.ndarray:
    """Where a clip's cameras see the 68 landmarks of its head, as if from the front, and its two
    pupils: [F, 70, 2] float32, from -1 (left, top) to 1."""
    head = HeadModel.of(head_arrays())
    table = head_landmarks()
    corners = head.faces[torch.from_numpy(table["full_lmk_faces_idx"][0])]  # [68, 3]
    shares = torch.from_numpy(table["full_lmk_bary_coords"][0]).float()[..., None]
    eyeballs = (head.weights[:, eye] > 0.5 for eye in EYES)
    pupils = [int(torch.where(own, head.template[:, 2], -1).argmax()) for own in eyeballs]
    cameras = clip.cameras(1)
    found = []
    for start in range(0, len(clip), CHUNK):
        part = slice(start, start + CHUNK)
        expression = torch.from_numpy(clip.expression[part])
        shape = torch.from_numpy(clip.shape).expand(len(expression), -1)
        with torch.no_grad():
            posed = head(shape, expression, torch.from_numpy(clip.pose[part])).vertices
        points = torch.cat([(posed[:, corners] * shares).sum(2), posed[:, pupils]], 1)
        found.append(2 * cameras[part].project(SCALE * points)[0] - 1)
    return torch.cat(found).numpy()


def disturbed(clip: Clip, staging: Staging, rng: np.random.Generator) -> Clip:
    """A clip whose poses are off by `pose_noise` degrees about each axis, and whose expressions by
    the share `expression_noise` of each coefficient's deviation over the clip (both deviations of
    normal noise, anew in each frame)."""
    turn = np.deg2rad(staging.pose_noise) * rng.normal(size=clip.pose.shape)
    spread = staging.expression_noise * clip.expression.std(0)
    change = spread * rng.normal(size=clip.expression.shape)
    return dataclasses.replace(
        clip,
        pose=(clip.pose + turn).astype(np.float32),
        expression=(clip.expression + change).astype(np.float32),
    )


def _gather(
    frames: Path, folder: Path, names: Sequence[str], prefix: str, kinds: Iterable[str]
) -> None:
    """Put pictures of the frames' folders, which are called after a prefix and the frame, to
    `<kind>/<name>.png` in a folder: links, where the file system has them, so that an interrupted
    run finds its frames again."""
    for kind in kinds:
        for name in names:
            source, target = (
                frames / f"{prefix}{name}" / f"{kind}.png",
                folder / kind / f"{name}.png",
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)
