"""Films of an avatar that is driven by other expressions, poses and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.views import to_bytes
from hgm.splat import backend_for
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.training import rendered

FILM = "rgb.mp4"
CANONICAL = "canonical.ply"
DEFORMED = "deformed.ply"


@torch.no_grad()
def frames_of(
    avatar: HeadAvatar,
    expression: Tensor,
    pose: Tensor,
    cameras: Cameras,
    *,
    backend: str = "auto",
) -> Iterator[tuple[Gaussians, Tensor]]:
    """Gaussians [N] and picture [3, S, S] in 0-1 of each frame of expressions [F, 50], poses
    [F, 15] and cameras [F], on the avatar's device. What no frame changes is computed once."""
    device = avatar.points.device
    backend = backend_for(backend, device)
    ready = avatar.ready()
    for i in range(len(pose)):
        one = slice(i, i + 1)
        gaussians = avatar(expression[one].to(device), pose[one].to(device), ready=ready)
        picture = rendered(gaussians, cameras[one].to(device), None, backend)
        yield gaussians[0], picture[0].clamp(0, 1)


def animate(
    avatar: HeadAvatar,
    expression: Tensor,
    pose: Tensor,
    cameras: Cameras,
    out: Path,
    *,
    fps: int = 30,
    backend: str = "auto",
) -> None:
    """Write `rgb.mp4`, `canonical.ply` (the Gaussians in FLAME's canonical space) and
    `deformed.ply` (those of the first frame). Raises InputError where the driving numbers are not
    finite or do not have as many frames."""
    if not len(pose) == len(expression) == len(cameras):
        raise InputError(
            f"driving: {len(expression)} expressions, {len(pose)} poses and {len(cameras)} "
            "cameras; expected as many of each"
        )
    for name, table in (("expression", expression), ("pose", pose)):
        bad = (~table.isfinite()).any(-1).nonzero()[:, 0]
        if len(bad):
            raise InputError(
                f"driving: {name} of frame {int(bad[0])} holds numbers that are not finite; fix "
                "the clip or leave the frame out"
            )

    def pictures() -> Iterator[np.ndarray]:
        for i, (gaussians, picture) in enumerate(
            frames_of(avatar, expression, pose, cameras, backend=backend)
        ):
            if i == 0:
                gaussians.save_ply(out / DEFORMED)
            yield to_bytes(picture)

    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        avatar.canonical().save_ply(out / CANONICAL)
    write_video(out / FILM, pictures(), fps=fps)
