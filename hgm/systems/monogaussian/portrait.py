"""A stand-in person as head and shoulders before a camera that stands still: what is rendered of
each frame, in processes of `hgm.render.pool`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hgm.body.joints import BODY_NAMES
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.core.settings import Section, described
from hgm.geometry.rays import RayMesh
from hgm.images.views import save_png
from hgm.render.blender import Renderer
from hgm.render.member import over_white
from hgm.standin.actor import SMALLEST_TEXTURE, Actor
from hgm.standin.body.skeleton import INDEX
from hgm.systems.monogaussian.clip import SCALE
from hgm.systems.monogaussian.settings import HELD_OUT_CAMERAS

TASK = "hgm.systems.monogaussian.portrait:PortraitTask"
SAMPLES = 16  # of a pixel
FOCAL = 2.05  # picture edges
DISTANCE, ABOVE = 0.85, 0.02  # m from the camera to what it looks at, and above it
LOOKED_AT = 0.045  # m above the head's joint
CUT = 0.45  # m below the neck's joint; what is lower is out of the picture
BACKGROUND = 128  # gray: pictures as a camera takes them, to be cut out by their masks
ARMS = {"left_shoulder": -1.0, "right_shoulder": 1.0}  # radians about z: to the sides
SKIN, NECK, CLOTH, HAIR, HAT = 1, 14, 16, 17, 18  # CelebAMask's numbers
HEAD_JOINTS = ("head", "jaw", "left_eye_smplhf", "right_eye_smplhf")


class Portrait(Section):
    """Who is in the pictures, and how large these are."""

    origin: list[float] = described(
        ...,
        "where the origin of the head model is, in the axes and meters of the body",
        min_length=3,
        max_length=3,
    )
    person: int = described(..., "seed of the stand-in person")
    texture: int = described(..., "edge of its texture in pixels", ge=SMALLEST_TEXTURE)
    size: int = described(..., "edge of the pictures in pixels", ge=16)


class PortraitTask:
    """Renders frames, {"name", "pose", "expression", "held_out"}: a `hgm.render.worker.Task`.

    In a frame's folder are image.png (over gray), mask.png (soft) and semantic.png (CelebAMask's
    labels), and where `held_out` is true a picture over white from each of HELD_OUT_CAMERAS.
    """

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        """Settings as `Portrait` dumps them. Raises InputError without bpy."""
        portrait = Portrait.model_validate(settings)
        self.sitter = Sitter(
            Actor.of(portrait.person, portrait.texture, skirts=False), np.array(portrait.origin)
        )
        self.camera = self.sitter.camera(portrait.size)
        self.others = {n: self.sitter.camera(portrait.size, a) for n, a in HELD_OUT_CAMERAS.items()}
        self.renderer = Renderer(samples=SAMPLES, scratch=scratch)
        actor = self.sitter.actor
        seen = self.sitter.seen
        self.renderer.load_surface(actor.faces[seen], actor.uvs[seen], actor.texture)

    def do(self, item: Mapping[str, Any], folder: Path) -> None:
        vertices = self.sitter.vertices(np.array(item["pose"]), np.array(item["expression"]))
        self.renderer.move(vertices)
        rgba = self.renderer.render(self.camera).rgba
        covered = rgba[..., 3:] > 0
        save_png(folder / "image.png", np.where(covered, rgba[..., :3], np.uint8(BACKGROUND)))
        save_png(folder / "mask.png", rgba[..., 3])
        save_png(folder / "semantic.png", self.sitter.labels_seen(vertices, self.camera))
        if item["held_out"]:
            for name, camera in self.others.items():
                save_png(folder / f"{name}.png", over_white(self.renderer.render(camera).rgba))

    def close(self) -> None:
        self.renderer.close()


class Sitter:
    """A stand-in person in the world of its clip: axes as the body's, the origin that of the head
    model, the unit a quarter of a meter."""

    def __init__(self, actor: Actor, origin: np.ndarray) -> None:
        """origin [3]: of the head model, in the axes and meters of the body."""
        self.actor = actor
        self.origin = origin
        heights = actor.rest[actor.faces, 1].max(1)
        # [F], whether a face can be in a picture
        self.seen = heights > actor.joints[INDEX["neck"], 1] - CUT
        self.labels = semantic_labels(actor)  # [F] uint8

    def vertices(self, pose: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """The vertices [V, 3] of the person with FLAME's pose [15] and expression, of which the
        first ten numbers move the body."""
        return (self.actor.posed(body_frame(pose, expression)) - self.origin) * SCALE

    def camera(self, size: int, azimuth: float = 0.0) -> Cameras:
        """The camera in front, or one turned about the head by degrees, to the person's left."""
        above = self.actor.joints[INDEX["head"]] + np.array([0.0, LOOKED_AT, 0.0])
        target = torch.from_numpy(SCALE * (above - self.origin))
        turn = math.radians(azimuth)
        away = [math.sin(turn) * DISTANCE, ABOVE, math.cos(turn) * DISTANCE]
        eye = target + SCALE * torch.tensor(away, dtype=torch.float64)
        K = intrinsics(size, focal=FOCAL, dtype=torch.float64)
        return Cameras(K, look_at(eye, target), size, size)

    def labels_seen(self, vertices: np.ndarray, camera: Cameras) -> np.ndarray:
        """CelebAMask's labels uint8 [H, W] at the centers of the pixels; 0 where nobody is."""
        rays = RayMesh(vertices, self.actor.faces[self.seen])
        origins, directions = (x.movedim(0, -1).numpy() for x in camera.rays())
        faces = rays.hits(origins, directions)[0]
        return np.where(faces < 0, np.uint8(0), self.labels[self.seen][faces])


def body_frame(pose: np.ndarray, expression: np.ndarray) -> dict[str, np.ndarray]:
    """SMPL-X's parameters, for `Actor.posed`, of a person who holds the head as FLAME's pose [15]
    and expression [10 or more] say: FLAME's root turns at the body's neck, its neck at the body's
    head."""
    body = np.zeros((len(BODY_NAMES), 3))
    for name, angle in ARMS.items():
        body[BODY_NAMES.index(name), 2] = angle
    parts = np.asarray(pose, np.float64).reshape(5, 3)
    body[BODY_NAMES.index("neck")] = parts[0]
    body[BODY_NAMES.index("head")] = parts[1]
    return {
        "body_pose": body.ravel(),
        "jaw_pose": parts[2],
        "leye_pose": parts[3],
        "reye_pose": parts[4],
        "expression": np.asarray(expression, np.float64)[:10],
    }


def semantic_labels(actor: Actor) -> np.ndarray:
    """CelebAMask's label of each face of an actor, uint8 [F]. Skin that moves with less than half
    of its weight with the head is neck, whatever it covers."""
    head = [INDEX[name] for name in HEAD_JOINTS]
    labels = []
    for piece in actor.pieces:
        label = np.full(len(piece.faces), CLOTH, np.uint8)
        if piece.tile in ("skin", "eye"):
            share = piece.weights[piece.faces][..., head].sum(-1).mean(-1)
            label = np.where(share > 0.5, np.uint8(SKIN), np.uint8(NECK))
        elif piece.tile in ("hair", "strands"):
            label[:] = HAT if actor.outfit.hair == "beanie" else HAIR
        labels.append(label)
    return np.concatenate(labels)
