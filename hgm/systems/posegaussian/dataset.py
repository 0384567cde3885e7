"""The rectified pairs of a run's parts and the views between their cameras, decoded once for all
threads and processes of a training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.items import outcome_in
from hgm.errors import InputError
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.rig import NOVEL, ratio_of
from hgm.train.pictures import PictureMemory
from hgm.train.prefetch import STORE

CHANNELS = 4  # bytes of a view's pixel: its color and its mask


class NovelView(NamedTuple):
    """What a camera between the two of a pair sees; twice as large as the photos."""

    rgb: Tensor  # float32 [3, 2S, 2S] in 0-1, sRGB over black
    camera: Cameras  # [1], float32, meters
    mask: Tensor  # float32 [1, 2S, 2S] in 0-1; its file has half of this size
    ratio: float  # its place between the photos' cameras, 0 at the left one


@dataclass(frozen=True)
class PairMember:
    """A pair of a part."""

    rectified: Path
    files: PairFiles

    @property
    def name(self) -> str:
        return self.files.name


def picture_of(files: PairFiles, view: int, size: int) -> Tensor:
    """Color and mask uint8 [4, 2S, 2S] of a view between photos of `size` pixels. Raises InputError
    for what is wrong with its files."""
    rgb, large = files.large_picture(view), 2 * size
    if rgb.shape[:2] != (large, large):
        raise InputError(
            f"{files.large_image(view)}: {rgb.shape[1]} x {rgb.shape[0]} pixels, expected "
            f"{large} x {large}, twice the photos"
        )
    mask = files.picture(view)[1].repeat(2, 0).repeat(2, 1)
    whole = np.concatenate([rgb, mask[..., None]], -1)
    return torch.from_numpy(whole).movedim(-1, 0).contiguous()


def camera_of(files: PairFiles, view: int, size: int) -> Cameras:
    """The camera [1] of a view between photos of `size` pixels, of twice their size. Raises
    ScanError for a file that is missing or damaged."""
    K, w2c = (torch.from_numpy(x)[None].float() for x in files.camera(view))
    return Cameras(K, w2c, size, size).resized(2 * size)


def place_of(files: PairFiles, view: int, pair: RectifiedPair, size: int) -> tuple[Cameras, float]:
    """`camera_of` a view between the photos of a pair, and its ratio. Raises ScanError as that."""
    first, second = pair.source_world_to_camera
    return camera_of(files, view, size), ratio_of(first, second, files.camera(view)[1])


def pair_members(
    pairs: Sequence[Path], views: Sequence[Path], heatmaps: Sequence[Path] = ()
) -> list[PairMember]:
    """The pairs that manifests `rectified/<part>/manifest.json` name, part by part, with the files
    of their views, whose manifests `render_data/<part>.json` are given in the same order; with
    manifests of heat maps those that have some."""
    members = []
    for place, (rectified, rendered) in enumerate(zip(pairs, views, strict=True)):
        root = rendered.parent / folder_of(rendered.stem)
        names = common_members([rectified, *heatmaps[place : place + 1]])
        members += [
            PairMember(rectified.parent / f"{name}.npz", PairFiles(root, name)) for name in names
        ]
    return members


def common_members(manifests: Sequence[Path]) -> list[str]:
    """The names that all of some manifests have among their members."""
    return sorted(set.intersection(*(set(outcome_in(path).members) for path in manifests)))


@dataclass(frozen=True)
class Contents:
    """What each pixel of a pair's file holds, which is the same for all pairs of a store."""

    size: int
    heat: int  # channels of the heat maps; 0 without
    known: bool  # whether with flow

    @classmethod
    def of(cls, pair: RectifiedPair) -> Contents:
        heat = 0 if pair.heat is None else int(pair.heat.shape[-1])
        return cls(pair.size, heat, pair.flow is not None)

    def __str__(self) -> str:
        known = "with depth" if self.known else "without depth"
        return f"{self.size} pixels, {self.heat} channels of heat maps, {known}"

    @property
    def fields(self) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
        """Names, types and shapes of the arrays with a value for each pixel."""
        shape = (2, self.size, self.size)
        found: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
            "images": (np.uint8, (*shape, 3)),
            "masks": (np.uint8, shape),
        }
        if self.heat:
            found["heat"] = (np.uint8, (*shape, self.heat))
        if self.known:
            found |= {"flow": (np.float16, shape), "valid": (np.bool_, shape)}
        return found

    @property
    def channels(self) -> int:
        """Bytes of a pixel."""
        count = sum(np.dtype(kind).itemsize * math.prod(n) for kind, n in self.fields.values())
        return count // self.size**2

    def packed(self, pair: RectifiedPair) -> Tensor:
        """All of it as one picture uint8 [channels, S, S], whose bytes are those of the arrays, one
        after the other."""
        arrays = (
            np.ascontiguousarray(getattr(pair, name), kind)
            for name, (kind, _) in self.fields.items()
        )
        whole = np.concatenate([array.reshape(-1).view(np.uint8) for array in arrays])
        return torch.from_numpy(whole.reshape(self.channels, self.size, self.size))

    def unpacked(self, picture: Tensor, frame: RectifiedPair) -> RectifiedPair:
        """The pair whose cameras are those of `frame`."""
        flat, start, arrays = picture.numpy().reshape(-1), 0, dict[str, np.ndarray]()
        for name, (kind, shape) in self.fields.items():
            end = start + np.dtype(kind).itemsize * math.prod(shape)
            arrays[name] = flat[start:end].view(kind).reshape(shape)
            start = end
        return dataclasses.replace(frame, **arrays)  # type: ignore[arg-type]


class PairStore:
    """What a training reads of its pairs. Threads may share a store; pickled for a process that is
    about to be spawned, it shares its decoded pictures with that one."""

    def __init__(
        self, members: Sequence[PairMember], *, heat: bool = False, limit: int = STORE
    ) -> None:
        """Of one pair or more. `heat`: with heat maps. `limit`: bytes of decoded pictures that are
        kept. Raises InputError where the first pair cannot be read."""
        self.members = list(members)
        self.heat = heat
        self.contents = Contents.of(RectifiedPair.load(members[0].rectified, heat=heat))
        size = self.contents.size
        places = {m.rectified: (1, self.contents.channels, size, size) for m in members}
        novel = (len(NOVEL), CHANNELS, 2 * size, 2 * size)
        places |= {m.files.folder("img"): novel for m in members}
        self.pictures = PictureMemory(places, limit=limit)
        self._frames: dict[int, RectifiedPair] = {}  # without what `pictures` holds
        self._cameras: dict[tuple[int, int], tuple[Cameras, float]] = {}

    def __len__(self) -> int:
        return len(self.members)

    def pair(self, index: int) -> RectifiedPair:
        """A rectified pair. Raises InputError for a missing or damaged file, and where it is unlike
        the first one."""
        member = self.members[index]
        frame = self._frame(index)
        picture = self.pictures.picture(
            member.rectified, 0, lambda: self.contents.packed(self._load(index))
        )
        return self.contents.unpacked(picture, frame)

    def novel(self, index: int, view: int) -> NovelView:
        """A view between the photos, one of NOVEL. Raises InputError for what is wrong with its
        files."""
        files = self.members[index].files
        picture = self.pictures.picture(
            files.folder("img"),
            NOVEL.index(view),
            lambda: picture_of(files, view, self.contents.size),
        )
        camera, ratio = self._camera(index, view)
        values = picture.float() / 255
        return NovelView(values[:3], camera, values[3:], ratio)

    def _frame(self, index: int) -> RectifiedPair:
        """The cameras of a pair, read once a process."""
        if index not in self._frames:
            self._load(index)
        return self._frames[index]

    def _load(self, index: int) -> RectifiedPair:
        path = self.members[index].rectified
        pair = RectifiedPair.load(path, heat=self.heat)
        if (found := Contents.of(pair)) != self.contents:
            raise InputError(f"{path}: {found}; expected {self.contents}, as the first pair has")
        nothing = np.zeros(0, np.uint8)
        self._frames[index] = dataclasses.replace(
            pair, images=nothing, masks=nothing, heat=None, flow=None, valid=None
        )
        return pair

    def _camera(self, index: int, view: int) -> tuple[Cameras, float]:
        """Camera and ratio of a view between, read once a process."""
        if (index, view) not in self._cameras:
            files = self.members[index].files
            self._cameras[index, view] = place_of(
                files, view, self._frame(index), self.contents.size
            )
        return self._cameras[index, view]
