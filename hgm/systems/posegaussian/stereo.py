"""Two photos of a user, whose cameras are known, with the networks of a finished run."""

from __future__ import annotations

import dataclasses
import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from hgm.errors import InputError
from hgm.images.photos.framing import FramedPerson, open_photo
from hgm.images.photos.learned import mattings_without_mask
from hgm.images.photos.sources import Photo
from hgm.images.views import save_png, to_bytes
from hgm.nets.weights import WEIGHTS
from hgm.scans.gps_files import save_jpeg
from hgm.systems.posegaussian.between import between
from hgm.systems.posegaussian.check import check_pair, remarks
from hgm.systems.posegaussian.heatmaps import heat_map
from hgm.systems.posegaussian.keypoints import detected_keypoints
from hgm.systems.posegaussian.meeting import Meeting, check_meeting
from hgm.systems.posegaussian.network import PoseGaussian
from hgm.systems.posegaussian.novel_views import show_pair, views_of
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.photos import Photos
from hgm.systems.posegaussian.rectify import rectify_pair
from hgm.systems.posegaussian.rig_file import CalibratedCamera
from hgm.systems.posegaussian.settings import Between, HeatMaps
from hgm.systems.posegaussian.variants import VARIANTS

SIDEWAYS = (5, 6, 7, 8)  # orientations of EXIF that exchange width and height
RECTIFIED = "rectified.png"  # both views, with lines along which they have to agree
LINES = 8


@dataclass(frozen=True)
class TrainedStereo:
    """The network of one variant of a finished run, and what it was trained with."""

    network: PoseGaussian
    variant: str
    config: Mapping[str, Any]

    @classmethod
    def of(
        cls, run: Path, config: Mapping[str, Any], variant: str | None, *, heat: bool, device: str
    ) -> TrainedStereo:
        """The first network of the run, of `variant` where that is named, that sees heat maps where
        there are some, and none otherwise. Raises InputError where the run has no such network."""
        folder = run / "gaussian_maps"
        there = [
            name
            for name in config["evaluate"]["variants"]
            if (folder / name / WEIGHTS).is_file() and variant in (None, name)
        ]
        if not there:
            raise InputError(f"--run: {run} has no trained network{f' {variant}' * bool(variant)}")
        seeing = [name for name in there if VARIANTS[name].heat]
        fit = [name for name in there if (name in seeing) == heat]
        if heat and not fit:
            raise InputError(
                f"--keypoints: the networks of {run} see no heat maps ({', '.join(there)}); leave "
                "--keypoints out"
            )
        if not fit:
            raise InputError(
                f"--keypoints: the networks of {run} see heat maps ({', '.join(there)}); give "
                "MMPose's JSON file of each photo (docs/posegaussian.md)"
            )
        return cls(PoseGaussian.load(folder / fit[0], device), fit[0], config)

    @property
    def sees_heat(self) -> bool:
        return VARIANTS[self.variant].heat


def detected(path: Path, photo: Photo) -> np.ndarray:
    """The points of COCO [17, 2] that MMPose found in a photo, in shares of its width and height.
    Raises InputError for what is wrong with its file."""
    size = upright_size(photo.path)
    points, _ = detected_keypoints(path, size)
    return points / np.array(size)


def read_pair(
    photos: Sequence[Photo],
    rig: Sequence[CalibratedCamera],
    trained: TrainedStereo,
    points: Sequence[np.ndarray] = (),
) -> tuple[RectifiedPair, list[str]]:
    """The pair of two photos, each cropped around the person, and what the user should know.

    points: those of COCO in each photo (`detected`), for networks that see heat maps. Raises
    InputError for what is wrong with a photo, a mask or the rig.
    """
    config = trained.config
    size = config["pairs"]["size"]
    mattings = mattings_without_mask()
    _check_sizes(photos, rig)
    people = [open_photo(photo, size, mattings) for photo in photos]
    notes = [
        f"{photo.path}: {note}"
        for photo, person in zip(photos, people, strict=True)
        for note in person.notes
    ]
    K = []
    for camera, photo, person in zip(rig, photos, people, strict=True):
        try:
            K.append(camera.cropped(upright_size(photo.path), person.box, size))
        except InputError as error:
            raise InputError(f"{photo.path}: {error}") from None
    given = Photos(
        f"{photos[0].path}, {photos[1].path}",
        np.stack([_over_black(person) for person in people]),
        np.stack([to_bytes(person.mask) for person in people]),
        np.stack(K),
        np.stack([camera.world_to_camera for camera in rig]),
    )
    if trained.sees_heat:
        heat = _heat_maps(points, people, HeatMaps(**config["heatmaps"]))
        given = dataclasses.replace(given, heat=heat)
    notes += check_meeting(Meeting.of(given), config["pairs"]["degrees"])
    pair = rectify_pair(given, config["rectify"]["centers"])
    notes += remarks(check_pair(pair))
    return pair, notes


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a photo the right way up. Raises InputError for what is no photo."""
    try:
        with Image.open(path) as file:
            turned = file.getexif().get(ExifTags.Base.Orientation, 1) in SIDEWAYS
            width, height = file.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error})") from None
    return (height, width) if turned else (width, height)


def _check_sizes(photos: Sequence[Photo], rig: Sequence[CalibratedCamera]) -> None:
    """Raises InputError for photos of two sizes where the rig does not say of which sizes K is."""
    first, second = (upright_size(photo.path) for photo in photos)
    if first != second and None in [camera.size for camera in rig]:
        raise InputError(
            f"{photos[1].path}: {second[0]} x {second[1]} pixels, the other photo has {first[0]} x "
            f"{first[1]}; expected two of one size, or with each K in --rig the width and height "
            "that it is of"
        )


def _over_black(person: FramedPerson) -> np.ndarray:
    """Its picture uint8 [S, S, 3], which is over white."""
    return to_bytes(person.image - (1 - person.mask))


def _heat_maps(
    points: Sequence[np.ndarray], people: Sequence[FramedPerson], settings: HeatMaps
) -> np.ndarray:
    """uint8 [2, S, S, C] of points [17, 2] in shares of each photo."""
    found = []
    for shares, person in zip(points, people, strict=True):
        left, top, right, bottom = person.box
        size = person.mask.shape[-1]
        inside = (shares - [left, top]) / [right - left, bottom - top]
        found.append(heat_map(size * inside, size, settings))
    return np.stack(found)


def show_photos(
    trained: TrainedStereo,
    pair: RectifiedPair,
    out: Path,
    *,
    stem: str,
    ratios: Sequence[float] = (0.5,),
) -> None:
    """Write what `show_pair` does, both rectified views, and the views at `ratios` between the
    cameras as <stem>_novel.jpg, or <stem>_novel_00.jpg … of several. Raises InputError for a ratio
    outside of [0, 1]. What splats is what works on the network's device, wherever the run was."""
    config = trained.config
    cameras = between(pair.source_cameras, ratios).resized(2 * pair.size)
    out.mkdir(parents=True, exist_ok=True)
    save_png(out / RECTIFIED, rectified_picture(pair))
    for old in out.glob(f"{glob.escape(stem)}_novel*.jpg"):  # of other ratios
        if re.fullmatch(r"_novel(_\d\d)?", old.stem.removeprefix(stem)):
            old.unlink()
    settings = Between(**config["between"])
    found = show_pair(trained.network, pair, {}, out, settings=settings)
    pictures = views_of(found.gaussians, cameras, backend="auto")
    for i, picture in enumerate(pictures):
        number = f"_{i:02d}" if len(ratios) > 1 else ""
        save_jpeg(out / f"{stem}_novel{number}.jpg", to_bytes(picture))


def rectified_picture(pair: RectifiedPair) -> np.ndarray:
    """Both views side by side, uint8 [S, 2 S, 3], with lines along which the same points of the
    person lie where the calibration is right."""
    both = np.concatenate(list(pair.images), 1)
    rows = np.linspace(0, pair.size, LINES, endpoint=False).astype(int)[1:]
    both[rows] = both[rows] // 2 + np.array([0, 127, 127], np.uint8)
    return both
