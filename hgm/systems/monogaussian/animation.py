"""Films of an avatar that is driven by other expressions, poses and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.views import to_bytes
from hgm.splat import backend_for
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.driving import Driving
from hgm.systems.monogaussian.footage import rendered

FILM = "rgb.mp4"
CANONICAL = "canonical.ply"
DEFORMED = "deformed.ply"


@torch.no_grad()
def frames_of(
    avatar: HeadAvatar, driving: Driving, size: int, *, backend: str = "auto"
) -> Iterator[tuple[Gaussians, Tensor]]:
    """Gaussians [N] and picture [3, size, size] in 0-1 of each frame, on the avatar's device. What
    no frame changes is computed once."""
    device = avatar.points.device
    backend = backend_for(backend, device)
    ready = avatar.ready()
    cameras = driving.cameras(size).to(device)
    expression, pose = (torch.from_numpy(x).to(device) for x in (driving.expression, driving.pose))
    for i in range(len(driving)):
        one = slice(i, i + 1)
        gaussians = avatar(expression[one], pose[one], ready=ready)
        yield gaussians[0], rendered(gaussians, cameras[one], None, backend)[0].clamp(0, 1)


def film_avatar(
    avatar: HeadAvatar,
    driving: Driving,
    out: Path,
    *,
    size: int = 512,
    fps: int = 30,
    backend: str = "auto",
) -> None:
    """Write `rgb.mp4`, `canonical.ply` (the Gaussians in FLAME's canonical space) and
    `deformed.ply` (those of the first frame)."""

    def pictures() -> Iterator[np.ndarray]:
        for i, (gaussians, picture) in enumerate(frames_of(avatar, driving, size, backend=backend)):
            if i == 0:
                gaussians.save_ply(out / DEFORMED)
            yield to_bytes(picture)

    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        avatar.canonical().save_ply(out / CANONICAL)
    write_video(out / FILM, pictures(), fps=fps)
