"""Two photos of calibrated cameras turned so that their rows correspond, by OpenCV (Bouguet's
method), and back from the way between the views to depth (spec, section 3).

OpenCV has a pixel's center at whole numbers. `centers` says what becomes of that when K has it at
+0.5: "exact" converts K before and after, so that nothing is moved; "half" leaves K as it is, as
GPS-Gaussian does, which moves pictures by up to half a pixel where focal lengths differ; "integer"
takes the result of OpenCV for what it says, so that all is half a pixel off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hgm.core.files import remove_unfinished
from hgm.errors import InputError
from hgm.systems.posegaussian.batches import FARTHEST
from hgm.systems.posegaussian.check import check_pair
from hgm.systems.posegaussian.marks import link_files
from hgm.systems.posegaussian.pair import LEFT, RIGHT, RectifiedPair
from hgm.systems.posegaussian.photos import PERSON, Photos
from hgm.systems.posegaussian.rig import spacing

Centers = Literal["half", "integer", "exact"]
BEFORE: dict[Centers, float] = {"half": 0.0, "integer": 0.0, "exact": -0.5}  # added to K's center
AFTER: dict[Centers, float] = {"half": 0.0, "integer": 0.5, "exact": 0.5}
VALID = 0.66  # of an eroded mask, from which on the flow is known
STEP = 0.01  # 1/m: neighbors further apart are not one surface
STRAIGHT = np.zeros(5)  # coefficients of a lens that bends nothing
WIDEST = 90.0  # degrees between two cameras
SAME_PLACE = 1e-3  # meters between two cameras that are one


def rectify_pair(photos: Photos, centers: Centers = "exact") -> RectifiedPair:
    """Rectify two photos, the left one first whatever their order.

    Raises InputError for cameras at one place, turned by more than 90 degrees from each other, or
    one above the other, and where the person is not in both rectified pictures.
    """
    K, poses, shift, order = _stereo(photos, centers)
    masks, people, images, q = [], [], [], []
    for side, view in enumerate(order):
        lens = photos.K[view], photos.world_to_camera[view]
        turn = Turn.of(*lens, K[side], poses[side], photos.size, centers)
        masks.append(turn.moved(photos.masks[view].astype(np.float32) / 255))
        people.append(turn.moved((photos.masks[view] >= PERSON).astype(np.float32)))
        images.append(turn.moved(photos.images[view]))
        if photos.inverse_depth is not None:
            q.append(turn.inverse_depth(photos.inverse_depth[view].astype(np.float32)))
    coverage = np.rint(255 * np.stack(masks)).astype(np.uint8)
    if (coverage.reshape(2, -1).max(1) < PERSON).any():
        raise InputError(
            f"{photos.name}: nobody is in both rectified pictures; expected two cameras that look "
            "at the same person"
        )
    flow, valid = _flow(np.stack(q), people, K, shift) if q else (None, None)
    pair = RectifiedPair(
        np.stack(images),
        coverage,
        K,
        poses,
        photos.K[order],
        photos.world_to_camera[order],
        shift,
        flow=flow,
        valid=valid,
    )
    if photos.heat is None:
        return pair
    return dataclasses.replace(pair, heat=rectified_heat(pair, photos.heat[order], centers))


def rectified_heat(pair: RectifiedPair, heat: np.ndarray, centers: Centers) -> np.ndarray:
    """Heat maps uint8 [2, S, S, C] of a pair's photos, the left one first, moved as `rectify_pair`
    moved the photos."""
    moved = []
    for side in (LEFT, RIGHT):
        lens = pair.source_K[side], pair.source_world_to_camera[side]
        turn = Turn.of(*lens, pair.K[side], pair.world_to_camera[side], pair.size, centers)
        moved.append(turn.moved(heat[side]))
    return np.stack(moved)


def write_pair(
    read: Callable[[], Photos], centers: Centers, out: Path, mark: Path
) -> dict[str, Any]:
    """Rectify the photos that `read` gives and write them as the file `out`; `mark` is the folder
    by which a stage notices when it is lost. Returns what `check_pair` finds. Without a result
    there is no older file either. Raises InputError as `read` and `rectify_pair`."""
    remove_unfinished(out)
    pair = rectify_pair(read(), centers)
    pair.save(out)
    link_files([out], mark)
    return check_pair(pair)


@dataclass(frozen=True)
class Turn:
    """How a photo's pixels get to their places in its rectified picture."""

    rotation: np.ndarray  # [3, 3], from directions of the photo to rectified ones
    K: np.ndarray  # [3, 3] of the rectified picture as OpenCV means it
    columns: np.ndarray  # float32 [S, S], of the photo, for each rectified pixel
    rows: np.ndarray

    @classmethod
    def of(
        cls,
        photo_K: np.ndarray,
        photo_pose: np.ndarray,
        K: np.ndarray,
        pose: np.ndarray,
        size: int,
        centers: Centers,
    ) -> Turn:
        """From K [3, 3] and world_to_camera [4, 4] of a photo to those of its rectified picture."""
        import cv2

        before, after = _moved(photo_K, BEFORE[centers]), _moved(K, -AFTER[centers])
        rotation = pose[:3, :3] @ photo_pose[:3, :3].T
        columns, rows = cv2.initUndistortRectifyMap(
            before, STRAIGHT, rotation, after, (size, size), cv2.CV_32FC1
        )
        return cls(rotation, after, columns, rows)

    def moved(self, picture: np.ndarray, *, nearest: bool = False) -> np.ndarray:
        """A picture [S, S] or [S, S, C], 0 where the photo shows nothing."""
        import cv2

        how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        if picture.ndim < 3:
            return cv2.remap(picture, self.columns, self.rows, how)
        parts = (picture[..., i : i + 4] for i in range(0, picture.shape[-1], 4))  # at once
        found = [cv2.remap(part, self.columns, self.rows, how) for part in parts]
        return np.concatenate([x if x.ndim == 3 else x[..., None] for x in found], -1)

    def inverse_depth(self, q: np.ndarray) -> np.ndarray:
        """Inverse depth [S, S] along the rectified axis, from that along the photo's.

        A point at depth z of the ray d, in the photo's axes with d_z = 1 after rectification, has
        the photo's depth z d_z. Inverse depth is linear along a plane, so that it may be mixed from
        neighbors, but for those of another surface.
        """
        linear, nearest = self.moved(q), self.moved(q, nearest=True)
        y, x = np.indices(q.shape)
        rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(self.K).T
        mixed = np.where(np.abs(linear - nearest) < STEP, linear, nearest)
        return mixed * (rays @ self.rotation)[..., 2]


def _stereo(photos: Photos, centers: Centers) -> tuple[np.ndarray, np.ndarray, float, list[int]]:
    """Rectified K [2, 3, 3] and world_to_camera [2, 4, 4], the left first, the shift, and the order
    of the photos."""
    import cv2

    apart = spacing(*photos.world_to_camera)
    if apart > WIDEST:
        raise InputError(
            f"{photos.name}: the cameras are turned by {apart:.0f} degrees from each other; "
            f"expected at most {WIDEST:g}, two that look at the same side of a person"
        )
    for order in ([0, 1], [1, 0]):
        K0, K1 = (_moved(photos.K[view], BEFORE[centers]) for view in order)
        first, second = photos.world_to_camera[order]
        relative = second @ np.linalg.inv(first)
        if np.linalg.norm(relative[:3, 3]) < SAME_PLACE:
            raise InputError(
                f"{photos.name}: both cameras are at one place; expected two that stand apart, and "
                "world_to_camera, not its inverse"
            )
        size = (photos.size, photos.size)
        R0, R1, P0, P1, *_ = cv2.stereoRectify(
            K0, STRAIGHT, K1, STRAIGHT, size, relative[:3, :3], relative[:3, 3], flags=0
        )
        if abs(P1[1, 3]) > abs(P1[0, 3]):
            raise InputError(
                f"{photos.name}: one camera is above the other; expected them side by side, so "
                "turn both pictures by 90 degrees, and K and world_to_camera with them"
            )
        if P1[0, 3] < 0:
            break
    K = np.stack([_moved(P[:, :3], AFTER[centers]) for P in (P0, P1)])
    poses = np.stack([_rotated(R0, first), _rotated(R1, second)])
    return K, poses, float(P1[0, 3]), order


def _moved(K: np.ndarray, by: float) -> np.ndarray:
    """K with its principal point moved by so many pixels along both axes."""
    K = K.copy()
    K[:2, 2] += by
    return K


def _rotated(R: np.ndarray, world_to_camera: np.ndarray) -> np.ndarray:
    turned = np.eye(4)
    turned[:3] = R @ world_to_camera[:3]
    return turned


def _flow(
    q: np.ndarray, masks: Sequence[np.ndarray], K: np.ndarray, shift: float
) -> tuple[np.ndarray, np.ndarray]:
    """Flow float16 and where it is known bool, both [2, S, S], of inverse depth [2, S, S] and masks
    in 0-1, two of [S, S], which were 0 or 1 before they were moved."""
    import cv2

    seen = np.stack([cv2.erode(mask, np.ones((3, 3), np.uint8)) > VALID for mask in masks])
    valid = seen & (q > FARTHEST)
    cx = K[:, 0, 2]
    offsets, shifts = cx[::-1] - cx, np.array([shift, -shift])
    flow = offsets[:, None, None] + shifts[:, None, None] * q
    return np.where(q > FARTHEST, flow, 0).astype(np.float16), valid
