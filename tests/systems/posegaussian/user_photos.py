"""Photos of the ball as a user takes them, with the file of their cameras."""

import json
from pathlib import Path

import numpy as np
from ball_pairs import seen
from PIL import Image

WIDTH, HEIGHT = 240, 200


def photographed(folder: Path, cameras, stems=("left", "right"), background=0.9):
    """Photos of the ball, WIDTH x HEIGHT, and their rig."""
    paths = [folder / f"{stem}.png" for stem in stems]
    for path, K, w2c in zip(paths, cameras.K.numpy(), cameras.world_to_camera.numpy(), strict=True):
        color, mask, _ = seen(K, w2c, WIDTH)
        picture = (color + background * (1 - mask[..., None]))[:HEIGHT]
        Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(path)
    write_rig(folder / "rig.json", cameras.K.numpy(), cameras.world_to_camera.numpy())
    return paths, folder / "rig.json"


def write_rig(path: Path, K, world_to_camera, **more) -> None:
    sides = (
        {"K": k.tolist(), "world_to_camera": e.tolist(), **more}
        for k, e in zip(K, world_to_camera, strict=True)
    )
    path.write_text(json.dumps(dict(zip(("left", "right"), sides, strict=True))))
