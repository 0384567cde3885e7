"""Decoded pictures, kept once for all threads and processes of a training."""

from __future__ import annotations

import logging
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.images.views import load_cameras, load_picture
from hgm.train.prefetch import STORE

log = logging.getLogger(__name__)
CHANNELS = 4  # bytes of a view's pixel: its color and its mask
KEPT = b"\x01"  # the mark of a picture that is there whole


@dataclass(frozen=True)
class Slots:
    """Where the pictures of one folder have their marks and their bytes in the file."""

    pictures: int
    channels: int
    height: int
    width: int
    marks: int  # of the first picture, a byte each
    start: int  # of the first picture

    @property
    def size(self) -> int:
        """Bytes of a picture."""
        return self.channels * self.height * self.width


def _unnamed() -> int:
    """An open file without a name: in memory, or in $TMPDIR where the system forbids files in
    memory."""
    try:
        return os.memfd_create("pictures")
    except OSError:
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())


class PictureMemory:
    """Pictures as bytes in memory: whoever needs one first decodes it, all others read it.

    They are in a file of Linux's memory (memfd) that has no name and goes with the last process
    that holds it, however that ends; neither a disk nor the size of /dev/shm limits it. Pickled for
    a process that is about to be spawned it is the same file there. It is read by copying, since
    what is mapped would be counted as memory of each process. Two that decode the same picture at
    once write the same bytes.

    Kept are the first pictures that fit into `limit` bytes, in the order of the folders, and the
    others are decoded each time: a training goes through all of them again and again, and a memory
    that forgot the oldest would forget each before its turn.
    """

    def __init__(
        self, folders: Mapping[Path, tuple[int, int, int, int]], *, limit: int = STORE
    ) -> None:
        """`folders`: how many pictures each has, and their channels, height and width."""
        marks = 0
        start = sum(count for count, *_ in folders.values())
        self.end = start + limit
        self.full = False
        self._slots = dict[Path, Slots]()
        for folder, shape in folders.items():
            slots = self._slots[folder] = Slots(*shape, marks, start)
            marks = marks + slots.pictures
            start = start + slots.pictures * slots.size
        if start > self.end:
            log.info(
                "decoded pictures: %d MB of %d are kept in memory, the rest is decoded each time",
                limit // 10**6,
                (start - marks) // 10**6,
            )
        self._open(_unnamed())

    def _open(self, file: int) -> None:
        self._file = file
        weakref.finalize(self, os.close, file)

    def __getstate__(self) -> dict[str, Any]:
        # a process that is spawned would be handed an open file for each tensor
        return {**self.__dict__, "_file": DupFd(self._file)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open(state["_file"].detach())

    @property
    def held(self) -> int:
        """Bytes of memory, for all who share it."""
        return 512 * os.fstat(self._file).st_blocks

    def picture(self, folder: Path, index: int, decode: Callable[[], Tensor]) -> Tensor:
        """A picture uint8 [C, H, W], which `decode` makes where it is not kept."""
        slots = self._slots[folder]
        mark = slots.marks + index
        start = slots.start + index * slots.size
        has_room = 0 <= index < slots.pictures and start + slots.size <= self.end
        if has_room and os.pread(self._file, 1, mark) == KEPT:
            shape = slots.channels, slots.height, slots.width
            picture = torch.empty(shape, dtype=torch.uint8)
            if os.preadv(self._file, [picture.numpy().data], start) == slots.size:
                return picture
        picture = decode()
        if has_room and not self.full:
            self._keep(picture, mark, start)
        return picture

    def _keep(self, picture: Tensor, mark: int, start: int) -> None:
        """Store a picture's bytes, then its mark, so that nobody reads one that is not whole."""
        try:
            if os.pwrite(self._file, picture.numpy().data, start) == picture.numel():
                os.pwrite(self._file, KEPT, mark)
        except OSError as error:  # a limit on the size of files, or on memory that is promised
            self.full = True
            log.warning(
                "decoded pictures: no more than %d MB can be kept in memory (%s), the rest is "
                "decoded each time",
                self.held // 10**6,
                error.strerror,
            )


class Pictures(PictureMemory):
    """The rendered views of scans, folder by folder."""

    def __init__(self, folders: Iterable[Path], *, limit: int = STORE) -> None:
        """Raises InputError where a folder's cameras.json, from which the places follow, cannot be
        read."""
        self._rigs = {Path(folder): load_cameras(folder) for folder in folders}
        super().__init__(
            {
                folder: (len(rig), CHANNELS, rig.height, rig.width)
                for folder, rig in self._rigs.items()
            },
            limit=limit,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rigs": {}}

    def cameras(self, folder: Path) -> Cameras:
        """The cameras [V] of a folder, read once a process."""
        if folder not in self._rigs:
            self._rigs[folder] = load_cameras(folder)
        return self._rigs[folder]

    def view(self, folder: Path, index: int) -> tuple[Tensor, Tensor]:
        """rgb uint8 [3, H, W] and mask uint8 [1, H, W]. Raises InputError for a missing or damaged
        file and for a picture that is not of the cameras' size."""

        def decode() -> Tensor:
            slots = self._slots[folder]
            parts = [
                load_picture(folder, kind, index, slots.height, slots.width)
                for kind in ("rgb", "mask")
            ]
            return (torch.cat(parts) * 255).round().to(torch.uint8)

        picture = self.picture(folder, index, decode)
        return picture[:3], picture[3:]
