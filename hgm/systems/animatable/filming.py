"""A stand-in person before the cameras of a rig: what is rendered of each frame, in processes of
`hgm.render.pool`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hgm.cameras import Cameras, intrinsics, look_at
from hgm.core.files import atomic_write
from hgm.core.settings import Section, described
from hgm.render.blender import Renderer
from hgm.scans.gps_files import QUALITY, save_jpeg
from hgm.standin.actor import SMALLEST_TEXTURE, Actor
from hgm.standin.creases import creases
from hgm.systems.animatable.layout import standin_cameras
from hgm.systems.animatable.settings import Standin

TASK = "hgm.systems.animatable.filming:FilmingTask"
RADIUS = 2.75  # m from the axis of the ring to its cameras
HEIGHTS = (0.2, 0.9)  # m above the person's middle, one camera after the other
FILLED = 0.9  # of the pictures' height, by the person who stands
BACKGROUND = 128  # gray: pictures as a camera takes them, to be cut out by their masks


class Scene(Section):
    """Who is before which cameras."""

    standin: Standin
    ground: float = described(..., "height of the soles above the body model's origin, in meters")
    height: float = described(..., "height of the person, in meters", gt=0)


def rig(scene: Scene) -> dict[str, Cameras]:
    """The cameras by name, unbatched, float64, in a world with the ground at 0 of y.

    Those to train on stand on a ring in equal steps, those held out in the middle between two of
    them; both at two heights by turns.
    """
    standin = scene.standin
    trained, held_out = standin_cameras(standin.cameras, standin.held_out)
    target = torch.tensor([0.0, scene.height / 2, 0.0], dtype=torch.float64)
    found = {}
    steps = 0  # of the cameras to train on that stand before
    for name in sorted([*trained, *held_out], key=lambda name: (len(name), name)):
        apart = name in held_out
        turn = 2 * np.pi / len(trained) * (steps - 0.5 * apart)
        number = (held_out if apart else trained).index(name)
        height = HEIGHTS[number % len(HEIGHTS)]
        away = [RADIUS * np.sin(turn), height, RADIUS * np.cos(turn)]
        eye = target + torch.tensor(away, dtype=torch.float64)
        distance = float(np.hypot(RADIUS, height))
        focal = FILLED * standin.height * distance / scene.height / standin.width
        K = intrinsics(standin.width, standin.height, focal, dtype=torch.float64)
        found[name] = Cameras(K, look_at(eye, target), standin.width, standin.height)
        steps += not apart
    return found


class FilmingTask:
    """Renders frames, {"name", "parameters"}, SMPL-X by name as `Actor.posed` takes it: a
    `hgm.render.worker.Task`. In a frame's folder are `<camera>.jpg`, over gray, and
    `<camera>_mask.jpg` of each camera."""

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        """Settings as `Scene` dumps them. Raises InputError without bpy."""
        scene = Scene.model_validate(settings)
        standin = scene.standin
        self.creases = standin.creases
        self.rig = rig(scene)
        self.actor = Actor.of(standin.person, max(standin.texture, SMALLEST_TEXTURE), skirts=False)
        self.renderer = Renderer(samples=standin.samples, scratch=scratch)
        self.renderer.load_surface(self.actor.faces, self.actor.uvs, self.actor.texture)

    def do(self, item: Mapping[str, Any], folder: Path) -> None:
        frame = {name: np.array(value) for name, value in item["parameters"].items()}
        shade = creases(self.actor, frame, self.creases)
        self.renderer.move(self.actor.posed(frame), shade)
        for name, camera in self.rig.items():
            rgba = self.renderer.render(camera).rgba
            seen = np.where(rgba[..., 3:] > 0, rgba[..., :3], np.uint8(BACKGROUND))
            save_jpeg(folder / f"{name}.jpg", seen)
            with atomic_write(folder / f"{name}_mask.jpg") as file:
                Image.fromarray(rgba[..., 3]).save(file, "JPEG", quality=QUALITY)

    def close(self) -> None:
        self.renderer.close()
