"""The people of a photo, one after the other, and what the user should know about the largest.

MediaPipe's detector names one person and overlooks people who fill the picture. So the picture is
looked at with room around it where nobody is found at once, and each person who is found is painted
over to find the next one. Nothing is kept from one picture to the next.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from hgm.images.photos.pose.crops import Crop
from hgm.images.photos.pose.detector import Detector
from hgm.images.photos.pose.landmarks import LandmarkNetwork, PosedPerson
from hgm.images.photos.pose.published import NAMES

# edges of the squares that the detector sees, over the longer side of the picture, in turn
FRAMINGS = (1.0, 1.25, 1.5, 2.0)
MOST = 4  # people that are looked for
EDGE = 1024  # pixels; larger pictures are shrunk, since the networks see 256
PERSON = 0.5  # least score of somebody who is a person
INSIDE = 0.3  # least share of the landmarks within the picture
VISIBLE = 0.5  # of a landmark, above which it counts as seen
COVERED = 0.5  # of a pixel, above which it is the person's
PAINTED = 0.2  # … and above which it is painted over
# least score of a detection in a picture with parts painted over, whose outlines look like people
FURTHER = 0.56
NEW = 0.5  # least share of a person's pixels that is not painted over
RIM = 1 / 64  # of the person's crop, that is painted over around the person
PARTS = {
    "head": ("nose", "left_ear", "right_ear"),
    "hands": ("left_wrist", "right_wrist"),
    "legs": ("left_knee", "right_knee"),
    "feet": ("left_ankle", "right_ankle"),
}


@dataclass(frozen=True)
class People:
    """The people of a picture, the largest first; at least one."""

    found: tuple[PosedPerson, ...]
    notes: tuple[str, ...]  # what the user should know

    @property
    def largest(self) -> PosedPerson:
        return self.found[0]


class PoseEstimator:
    """Finds people in pictures. The networks are opened by the first one."""

    def __init__(self) -> None:
        self._networks: tuple[Detector, LandmarkNetwork] | None = None

    def look(self, rgb: np.ndarray) -> People | None:
        """The people of rgb uint8 [H, W, 3], None where it shows nobody. Raises InputError where
        the networks are not there."""
        if self._networks is None:
            self._networks = Detector(), LandmarkNetwork()
        height, width = rgb.shape[:2]
        small, scale = _shrunk(rgb)
        rest = small.copy()
        painted = np.zeros(rest.shape[:2], bool)
        found: list[PosedPerson] = []
        while len(found) < MOST and (person := self._next(rest, painted)) is not None:
            found.append(person)
            painted |= _surroundings(person)
            rest[painted] = small[~painted].mean(0) if not painted.all() else 0
        if not found:
            return None
        found.sort(key=lambda person: -float((person.coverage > COVERED).sum()))
        largest = _enlarged(found[0], scale, height, width)
        people = (largest, *found[1:])
        return People(people, tuple(_notes(largest, len(found))))

    def _next(self, rgb: np.ndarray, painted: np.ndarray) -> PosedPerson | None:
        """A person of a picture, who is not what was painted over, bool [H, W]."""
        assert self._networks is not None
        detector, landmarks = self._networks
        height, width = rgb.shape[:2]
        for share in FRAMINGS:
            for detection in detector.find(rgb, Crop.around(width, height, share)):
                if painted.any() and detection.score < FURTHER:
                    continue
                # the landmarks themselves say best where to look for them
                crop = landmarks.read(rgb, detection.crop).next_crop
                person = landmarks.read(rgb, crop)
                theirs = person.coverage > COVERED
                if (
                    person.score > PERSON
                    and _inside(person.pixels, rgb).mean() > INSIDE
                    and (theirs & ~painted).sum() > NEW * theirs.sum()
                ):
                    return person
        return None


def _shrunk(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture with no edge above EDGE, and the size of one of its pixels in those of `rgb`."""
    factor = -(-max(rgb.shape[:2]) // EDGE)
    return (np.asarray(Image.fromarray(rgb).reduce(factor)) if factor > 1 else rgb), factor


def _enlarged(person: PosedPerson, scale: float, height: int, width: int) -> PosedPerson:
    """A person of a shrunk picture as one of the picture itself."""
    if scale == 1:
        return person
    coverage = Image.fromarray(person.coverage).resize((width, height), Image.Resampling.BILINEAR)
    crop = dataclasses.replace(
        person.next_crop,
        center=person.next_crop.center * scale,
        edge=person.next_crop.edge * scale,
    )
    return dataclasses.replace(
        person, pixels=person.pixels * scale, coverage=np.asarray(coverage), next_crop=crop
    )


def _surroundings(person: PosedPerson) -> np.ndarray:
    """The pixels of a person and of a rim, bool [H, W]."""
    rim = max(2, round(RIM * person.next_crop.edge))
    return ndimage.maximum_filter(person.coverage, size=2 * rim + 1) > PAINTED


def _inside(pixels: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Which of pixels [n, 2] are in a picture [H, W, ...]."""
    return ((pixels >= 0) & (pixels < rgb.shape[1::-1])).all(-1)


def _notes(person: PosedPerson, count: int) -> list[str]:
    notes = []
    if count > 1:
        notes.append(f"{count} people found; the largest is taken")
    inside = _inside(person.pixels, person.coverage)
    gone = [
        part
        for part, names in PARTS.items()
        if not any(inside[NAMES.index(name)] for name in names)
    ]
    if gone:
        notes.append(
            f"{' and '.join(gone)} outside the picture, which are made up; the networks expect a "
            "whole person"
        )
    return notes
