"""The heat maps of a pair: drawn from its scan's fit or from detections, or taken over from a
user's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.core.files import remove_unfinished
from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.scans import gps_files
from hgm.systems.posegaussian.heatmaps import heat_map
from hgm.systems.posegaussian.keypoints import detected_keypoints
from hgm.systems.posegaussian.layout import MAKE_HEAT, PairFiles, View
from hgm.systems.posegaussian.rig import SOURCES
from hgm.systems.posegaussian.settings import HeatMaps


def write_heat_maps(pair: PairFiles, settings: HeatMaps) -> None:
    """Put the heat maps of both photos where the layout has them. Raises InputError for what is
    missing, damaged, or of another size than the photo."""
    for view in SOURCES:
        height, width = gps_files.read_mask(pair.mask(view)).shape
        remove_unfinished(pair.heat(view, settings.encoding))
        if settings.source == "files":
            _take(pair, view, settings)
        else:
            points = _points(pair, view, settings, (width, height))
            heat = heat_map(points, width, settings)
            pair.save_heat_map(view, heat, settings.encoding)
        found = pair.heat_map(view, settings.encoding)
        if found.shape[:2] != (height, width):
            raise InputError(
                f"{pair.heat(view, settings.encoding).resolve()}: {found.shape[1]} x "
                f"{found.shape[0]} pixels, expected {width} x {height}, those of the photo"
            )


def heat_sources(pair: PairFiles, settings: HeatMaps) -> list[str]:
    """Digests of the files that decide a pair's heat maps, those that are there."""
    files = [given_heat(pair, view, settings) for view in SOURCES]
    if settings.source == "fits":
        files = [pair.keypoints_file, *(f for view in SOURCES for f in pair.camera_files(view))]
    return [file_digest(file) if file.is_file() else "" for file in files]


def given_heat(pair: PairFiles, view: View, settings: HeatMaps) -> Path:
    """What a user brings for a photo: the detections, or the heat map itself."""
    own = pair.heat(view, settings.encoding)
    folder = own.parent if settings.folder is None else Path(settings.folder) / pair.name
    return folder / (f"{view}.json" if settings.source == "predictions" else own.name)


def _take(pair: PairFiles, view: int, settings: HeatMaps) -> None:
    """Link a user's heat map into the layout."""
    given, own = given_heat(pair, view, settings), pair.heat(view, settings.encoding)
    if not given.is_file():
        raise InputError(f"{given}: no such heat map; {MAKE_HEAT}")
    own.parent.mkdir(parents=True, exist_ok=True)
    own.symlink_to(given.resolve())


def _points(pair: PairFiles, view: int, settings: HeatMaps, size: tuple[int, int]) -> np.ndarray:
    """The points [17, 2] of a photo of `size`, width and height, in pixels."""
    if settings.source == "predictions":
        return detected_keypoints(given_heat(pair, view, settings), size)[0]
    if not pair.keypoints_file.is_file():
        raise InputError(
            f"{pair.folder('parm')}: no points of a fit, since this pair was not rendered here; "
            "set heatmaps.source to files or predictions"
        )
    K, w2c = pair.camera(view)
    seen = (pair.keypoints() @ w2c[:3, :3].T + w2c[:3, 3]) @ K.T
    return seen[:, :2] / seen[:, 2:]
