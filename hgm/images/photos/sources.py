"""Which photos are meant: files and folders, with the mask and the body that lie beside each. Reads
no picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.errors import InputError

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif"}
)
# what else lies beside the folders of results, or above
NOT_FOLDERS = (
    *(".", "..", "manifest.json", "contact.png", "estimates", "estimator.log"),
    *("index.html", "page"),
)
MASK = "_mask.png"
BODY = ".npz"  # what lies beside a photo: its stem and this


@dataclass(frozen=True)
class Photo:
    """One photo and what belongs to it."""

    name: str  # of its result folder, unique among the photos found together
    path: Path
    mask: Path | None = None  # the person white on black
    body: Path | None = None  # first SMPL-X estimate, of any format of hgm.body.estimates
    subject: str | None = None  # what the photo is called in that file, where not by its stem
    lacks: str = ""  # why an estimator gave no body, where one was asked

    @property
    def files(self) -> list[Path]:
        """All that decides what becomes of it."""
        return [path for path in (self.path, self.mask, self.body) if path is not None]


def find_photos(
    places: Sequence[Path], *, masks: Sequence[Path] = (), bodies: Sequence[Path] = ()
) -> list[Photo]:
    """The photos of files (as given, there or not) and folders (sorted by name); masks beside a
    photo are no photos.

    masks, bodies: one for each photo, in order; without them what lies beside a photo,
    `<stem>_mask.png` and `<stem>.npz`. Equal stems get names of their own: `a`, `a_2`. Raises
    InputError for a folder without photos, or when `masks` or `bodies` are not as many as the
    photos.
    """
    paths = _without_masks(
        [file for place in places for file in (_of_folder(place) if place.is_dir() else [place])]
    )
    for option, given in (("--mask", masks), ("--body", bodies)):
        if given and len(given) != len(paths):
            raise InputError(
                f"{option}: {len(given)} given for {len(paths)} photos; give one for each, in order"
            )
    photos: list[Photo] = []
    for i, path in enumerate(paths):
        mask = masks[i] if masks else _there(path.with_name(path.stem + MASK))
        body = bodies[i] if bodies else _there(path.with_suffix(BODY))
        photos.append(Photo(_unused(path.stem, {photo.name for photo in photos}), path, mask, body))
    return photos


def _of_folder(folder: Path) -> list[Path]:
    found = sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )
    if not found:
        raise InputError(
            f"{folder}: no photo in this folder; expected {', '.join(sorted(SUFFIXES))}"
        )
    return found


def _without_masks(paths: Sequence[Path]) -> list[Path]:
    named = {path.with_name(path.stem + MASK) for path in paths}
    return [path for path in paths if path not in named]


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _unused(stem: str, taken: Iterable[str]) -> str:
    names = {*taken, *NOT_FOLDERS}
    name = stem
    number = 2
    while name in names:
        name = f"{stem}_{number}"
        number = number + 1
    return name
