"""Checks of assets and settings that MonoGaussianAvatar alone has."""

from __future__ import annotations

from pathlib import Path

from hgm.systems.monogaussian.layout import PARAMETERS
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import Finding, State


def check_head(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """`present` for a file of FLAME's counts. Raises InputError for anything else."""
    from hgm.body.flame import read_head

    read_head(path)
    return "present", "FLAME's arrays; which version cannot be told from them"


def check_video(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether each clip's parameters are whole and each frame has its picture and mask. Raises
    InputError for the first that is not."""
    from hgm.systems.monogaussian.clip_file import read_clip

    video = config.video
    counts = []
    for name in (*video.train, video.test):
        folder = path / video.subject / video.subject / name
        if not (folder / PARAMETERS).is_file():
            return "missing", f"{folder / PARAMETERS}: no such file"
        clip = read_clip(folder)
        aside = f", {len(clip.set_aside)} set aside" if clip.set_aside else ""
        counts.append(f"{name}: {len(clip)} frames{aside}")
    return "present", "; ".join(counts)


def findings(config: Config) -> list[Finding]:
    """A remark where the loss lacks VGG's weights."""
    if config.avatar.vgg == 0 or config.weights.vgg16 is not None:
        return []
    return [
        Finding(
            "VGG loss",
            "present",
            "weights.vgg16 is null: the avatars are trained without the VGG loss, which the report "
            "says",
            ("head_avatar",),
        )
    ]


CHECKS = {"head": check_head, "video": check_video}
