"""Squares of a picture, of any place, size and turn: what the networks see, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Crop:
    """A square whose points (0, 0) and (1, 1) are its upper left and lower right corner."""

    center: np.ndarray  # [2], pixels of the picture, x right, y down
    edge: float  # pixels
    angle: float = 0.0  # radians, clockwise as the picture is seen

    @classmethod
    def around(cls, width: int, height: int, share: float = 1.0) -> Crop:
        """The square about the middle of a picture whose edge is `share` of the longer side."""
        return cls(np.array([width, height]) / 2, max(width, height) * share)

    @property
    def turn(self) -> np.ndarray:
        """[2, 2], from the crop's axes to those of the picture."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] of the crop in [0, 1] -> pixels of the picture."""
        return self.center + self.edge * (points - 0.5) @ self.turn.T

    def cut(self, rgb: np.ndarray, size: int, *, repeated: bool) -> np.ndarray:
        """uint8 [H, W, 3] -> float32 [size, size, 3] in [0, 1], sampled linearly. Beyond the
        picture its border is `repeated`, or it is black."""
        step = self.edge / size * self.turn[::-1, ::-1]  # rows and columns in place of x and y
        origin = self.to_picture(np.zeros(2))[::-1]
        mode = "nearest" if repeated else "constant"
        planes = [
            ndimage.affine_transform(
                rgb[..., channel].astype(np.float32),
                step,
                origin,
                (size, size),
                order=1,
                mode=mode,
            )
            for channel in range(3)
        ]
        return np.stack(planes, -1) / 255

    def paste(self, plane: np.ndarray, height: int, width: int) -> np.ndarray:
        """A plane [n, n] of the crop -> [height, width] of the picture, zero beyond the crop."""
        scale = len(plane) / self.edge
        step = scale * self.turn.T[::-1, ::-1]
        middle = len(plane) / 2 - scale * self.turn.T @ self.center
        return ndimage.affine_transform(
            plane, step, middle[::-1], (height, width), order=1, mode="constant"
        )
