"""People in front of any background: by the network of the package rembg where the user has
installed it, else by MediaPipe Pose."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hgm.errors import InputError, MissingDependency
from hgm.images.photos.matting import AlphaChannel, Matte, Matting, PlainBackground
from hgm.images.photos.picture import PhotoPixels
from hgm.images.photos.pose.estimator import PoseEstimator
from hgm.images.photos.pose.matting import PoseMask

VERSION = "2.0.69"  # the newest that the numpy of requirements.lock allows
NETWORK = "u2net_human_seg"
URL = f"https://github.com/danielgatis/rembg/releases/download/v0.0.0/{NETWORK}.onnx"


class Rembg:
    """U-2-Net for people (Apache-2.0) through rembg (MIT). Nothing is imported or opened before the
    first picture needs it."""

    def __init__(self) -> None:
        self._package: Any = None
        self._session: Any = None

    def matte(self, picture: PhotoPixels) -> Matte:
        """Raises MissingDependency without the package and InputError without its weights, each
        saying what to do."""
        if self._session is None:
            self._package, self._session = _open()
        with contextlib.redirect_stdout(io.StringIO()):
            mask = self._package.remove(
                Image.fromarray(picture.rgb), session=self._session, only_mask=True
            )
        return Matte(np.asarray(mask.convert("L"), np.float32) / 255, f"rembg {NETWORK}")


def mattings_without_mask() -> tuple[Matting, ...]:
    """What tells people from background in photos that bring no mask, the surest first; for many
    photos, so that a network is opened once."""
    # who installed rembg did so for its masks
    learned = Rembg() if importlib.util.find_spec("rembg") else PoseMask(PoseEstimator())
    return AlphaChannel(), PlainBackground(), learned


def _open() -> tuple[Any, Any]:
    try:
        # without onnxruntime rembg prints advice and ends the program
        with contextlib.redirect_stdout(io.StringIO()):
            import rembg
    except (ImportError, SystemExit):
        raise MissingDependency(
            "the background is neither transparent nor plain and there is no mask: give one "
            "(--mask FILE, or <photo>_mask.png beside the photo), or install rembg: "
            f'.venv/bin/pip install -c requirements.lock "rembg[cpu]=={VERSION}"'
        ) from None
    folder = weights_folder()
    if not any(
        path.is_file()
        for path in (folder / f"{NETWORK}.onnx", folder / "models" / NETWORK / f"{NETWORK}.onnx")
    ):
        raise InputError(
            f"{folder / NETWORK}.onnx: no such file, which rembg needs; put {URL} there, or set "
            "U2NET_HOME to its folder"
        )
    # else a file of another hash is fetched anew: work here is offline
    os.environ.setdefault("MODEL_CHECKSUM_DISABLED", "1")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return rembg, rembg.new_session(NETWORK, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the runtime raises
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder / NETWORK}.onnx: rembg cannot open it ({reason}); get it again from {URL}"
        ) from None


def weights_folder() -> Path:
    """Where rembg looks for weights."""
    default = Path(os.environ.get("XDG_DATA_HOME", "~")) / ".u2net"
    return Path(os.environ.get("U2NET_HOME", default)).expanduser()
