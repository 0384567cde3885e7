"""The pictures of clips: decoded when they are asked for, kept as bytes while memory lasts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hgm.errors import InputError
from hgm.images.views import load_image, resize
from hgm.systems.monogaussian.clip import Clip, concatenated
from hgm.train.pictures import CHANNELS, PictureMemory
from hgm.train.prefetch import STORE

LABELS = range(19)  # of CelebAMask


class ClipPictures:
    """The pictures of a subject's clips, numbered as the frames of `concatenated` are, all brought
    to `size` x `size` pixels.

    Kept are images and masks, 4 bytes a pixel; label maps are read each time, since only measures
    need them. Threads may share it.
    """

    def __init__(self, clips: Sequence[Clip], size: int, *, limit: int = STORE) -> None:
        self.clip = concatenated(clips)
        self.size = size
        # a clip may lack some of its frames: a frame's place is its number in the whole
        self._memory = PictureMemory({Path(): (len(self.clip), CHANNELS, size, size)}, limit=limit)

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.clip)

    def image(self, frame: int) -> Tensor:
        """uint8 [3, S, S]: the picture over white by its soft mask."""
        return self._picture(frame)[:3]

    def mask(self, frame: int) -> Tensor:
        """uint8 [1, S, S]: the share of each pixel that the person covers, 255 for all of it."""
        return self._picture(frame)[3:]

    def semantic(self, frame: int) -> Tensor:
        """uint8 [S, S]: CelebAMask's labels, each pixel that of the nearest one in the file. Raises
        InputError where the frame has no label map, or one of other numbers."""
        path = self.clip.path("semantic", frame)
        try:
            with Image.open(path) as file:
                labels = np.asarray(file.resize((self.size, self.size), Image.Resampling.NEAREST))
        except Exception as error:  # a damaged file can raise anything from the decoder
            raise InputError(f"{path}: not a readable image ({error})") from None
        if labels.ndim == 3 and (labels == labels[..., :1]).all():
            labels = labels[..., 0]  # gray, saved as a color picture
        if labels.ndim != 2 or labels.max() not in LABELS:
            raise InputError(
                f"{path}: expected one channel of labels from 0 to {LABELS[-1]}, got "
                f"{list(labels.shape)} up to {labels.max()}"
            )
        return torch.from_numpy(labels.astype(np.uint8))

    def has_semantic(self, frame: int) -> bool:
        """Whether a frame has a label map."""
        return self.clip.path("semantic", frame).is_file()

    def _picture(self, frame: int) -> Tensor:
        return self._memory.picture(Path(), frame, lambda: self._decoded(frame))

    def _decoded(self, frame: int) -> Tensor:
        """Color over white and mask, uint8 [4, S, S]."""
        image = load_image(self.clip.path("image", frame))[:3].expand(3, -1, -1)
        mask = load_image(self.clip.path("mask", frame))[:1]
        if image.shape[1:] != mask.shape[1:]:
            raise InputError(
                f"{self.clip.path('mask', frame)}: the mask is {list(mask.shape[1:])}, the image "
                f"{list(image.shape[1:])} (height and width)"
            )
        whole = resize(torch.cat([image * mask + (1 - mask), mask]), self.size)
        return (whole * 255).round().clamp(0, 255).to(torch.uint8)
