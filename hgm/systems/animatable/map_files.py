"""The maps of a run on disk: canonical.npz, the poses of the training frames in frames.npz, and
what they are made of in manifest.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hgm.body.model import BodyModel
from hgm.core.keys import file_digest
from hgm.core.manifests import write_json
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.footage import footage_of
from hgm.systems.animatable.captures.usable import name_of
from hgm.systems.animatable.frame_transforms import frame_transforms
from hgm.systems.animatable.maps import canonical_maps
from hgm.systems.animatable.settings import Capture as CaptureSettings
from hgm.systems.animatable.star import Surface, star_body
from hgm.systems.animatable.template import load_template

CANONICAL, FRAMES, MANIFEST = "canonical.npz", "frames.npz", "manifest.json"


def make_maps(
    capture: Capture,
    model: BodyModel,
    section: CaptureSettings,
    size: int,
    out: Path,
    *,
    template: Sequence[Path] = (),
) -> None:
    """Write the maps of a capture of `size` pixels, and the poses of the frames that its section
    trains on, into the folder `out`.

    template: the files of `write_template`, mesh and weights; without them the body itself is the
    surface. The manifest lists pictures that no training sees since they are missing, or were set
    aside.
    """
    star = star_body(model, torch.from_numpy(capture.motion.betas[0]))
    surface = load_template(*template) if template else Surface.of_body(model, star)
    canonical = canonical_maps(surface, star, size)
    footage = footage_of(section, list(capture.cameras), "train")
    frames = frame_transforms(model, capture.motion, canonical.rest_transforms, footage.frames)
    canonical.save(out / CANONICAL)
    frames.save(out / FRAMES)
    write_json(
        out / MANIFEST,
        {
            "stage": "position_maps",
            "size": size,
            "points": len(canonical),
            "frames": len(frames),
            "surface": "template" if template else "body",
            "left_out": sorted(name_of(shot) for shot in footage.shots() if not capture.has(*shot)),
            "members": {name: file_digest(out / name) for name in (CANONICAL, FRAMES)},
        },
    )
