"""Checks of assets and settings that Animatable Gaussians alone has; that of a capture is the run's
own gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hgm.errors import InputError
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import Finding, State

if TYPE_CHECKING:
    from hgm.body.model import BodyModel


def check_capture_files(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether cameras and parameters can be read and, where there is a body model, whether the body
    lies on the masks. Raises InputError for what is wrong with them."""
    from hgm.systems.animatable.captures import open_capture
    from hgm.systems.animatable.captures.footage import footage_of
    from hgm.systems.animatable.check import compared

    section = config.capture
    named = [*section.cameras, *section.held_out] if section.cameras else []
    capture = open_capture(path, section.layout, named)
    footage = footage_of(section, list(capture.cameras), "train")
    told = (
        f"{len(capture.cameras)} cameras, {len(capture.motion)} frames of parameters; the rule "
        "capture_check reads every picture"
    )
    if section.models is None or not _file(config).is_file():
        return "present", f"{told}; without the body model nothing says whether the body fits"
    found, _ = compared(capture, _model(config), footage)
    if not found["fits"]:
        raise InputError(str(found["fault"]))
    return "present", f"{told}; the body lies on the masks, IoU {found['iou']:.3f}"


def check_body(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """`present` for a file of SMPL-X. Raises InputError for anything else."""
    from hgm.body.model import read_model

    file = _file(config)
    if not file.is_file():
        return "missing", f"{file} does not exist"
    read_model(file)
    return "present", f"{file}"


def check_template(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether a mesh is closed and in the star pose of the capture's person, where capture and body
    model are there. Raises InputError where it is not."""
    from hgm.systems.animatable.captures.parameters import read_parameters
    from hgm.systems.animatable.star import star_body
    from hgm.systems.animatable.template import read_template

    section = config.capture
    if None in (section.root, section.models) or not _file(config).is_file():
        return "present", "the rule template compares it with the body"
    import torch

    model = _model(config)
    betas = torch.from_numpy(read_parameters(Path(section.root)).betas[0])
    vertices, faces = read_template(path, star_body(model, betas), model)
    return "present", f"{len(vertices)} vertices, {len(faces)} faces, in the star pose"


def findings(config: Config) -> list[Finding]:
    """A remark where the loss lacks the weights of LPIPS."""
    if config.avatar.lpips == 0 or None not in (config.weights.vgg16, config.weights.lpips):
        return []
    return [
        Finding(
            "LPIPS loss",
            "present",
            "weights.vgg16 or weights.lpips is null: the avatars are trained with 1 - SSIM in the "
            "place of LPIPS, which the report says",
            ("avatar",),
        )
    ]


def _file(config: Config) -> Path:
    """The body model that the configuration names."""
    return Path(config.capture.models) / "smplx" / f"SMPLX_{config.capture.gender.upper()}.npz"


def _model(config: Config) -> BodyModel:
    from hgm.body.model import BodyModel

    return BodyModel.load(Path(config.capture.models), config.capture.gender)


CHECKS = {
    "multiview": check_capture_files,
    "capture_body": check_body,
    "template": check_template,
}
