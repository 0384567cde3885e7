"""Where the heat maps of pairs and of photos come from, and what they are after rectification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hgm.core.files import remove_unfinished
from hgm.core.keys import file_digest
from hgm.systems.posegaussian.capture import read_heat
from hgm.systems.posegaussian.heat_files import given_heat, heat_sources, write_heat_maps
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.marks import link_files
from hgm.systems.posegaussian.pair import RectifiedPair, heat_file, save_heat
from hgm.systems.posegaussian.parts import CAPTURE, folder_of, heat_folder
from hgm.systems.posegaussian.rectify import Centers, rectified_heat
from hgm.systems.posegaussian.rig import SOURCES
from hgm.systems.posegaussian.settings import HeatMaps


class HeatSource(Protocol):
    """Where the heat maps of pairs come from, and the cameras of their photos."""

    def digests(self, name: str) -> list[str]:
        """Of the files that decide the heat maps of a pair."""

    def read(self, name: str) -> np.ndarray:
        """The heat maps uint8 [2, S, S, C] of both photos. Raises InputError for what is missing,
        damaged or of another size."""

    def poses(self, name: str) -> np.ndarray:
        """world_to_camera [2, 4, 4] of both photos."""

    def written(self, name: str) -> list[Path]:
        """The files that `read` left behind for other readers."""


@dataclass(frozen=True)
class PairHeat:
    """Those of the pairs below `root`, the folder of their split, where they are written too."""

    root: Path
    settings: HeatMaps

    def digests(self, name: str) -> list[str]:
        return heat_sources(PairFiles(self.root, name), self.settings)

    def read(self, name: str) -> np.ndarray:
        files = PairFiles(self.root, name)
        write_heat_maps(files, self.settings)
        return np.stack([files.heat_map(view, self.settings.encoding) for view in SOURCES])

    def poses(self, name: str) -> np.ndarray:
        return PairFiles(self.root, name).poses()

    def written(self, name: str) -> list[Path]:
        files = PairFiles(self.root, name)
        return [files.heat(view, self.settings.encoding) for view in SOURCES]


@dataclass(frozen=True)
class FrameHeat:
    """Those of frames of a real rig."""

    root: Path
    cameras: Sequence[str]
    size: int
    settings: HeatMaps

    def digests(self, name: str) -> list[str]:
        files = PairFiles(self.root, name)
        found = [given_heat(files, camera, self.settings) for camera in self.cameras]
        return [file_digest(file) if file.is_file() else "" for file in found]

    def read(self, name: str) -> np.ndarray:
        files = PairFiles(self.root, name)
        maps = [read_heat(files, camera, self.size, self.settings) for camera in self.cameras]
        return np.stack(maps)

    def poses(self, name: str) -> np.ndarray:
        files = PairFiles(self.root, name)
        return np.stack([files.camera(camera)[1] for camera in self.cameras])

    def written(self, name: str) -> list[Path]:
        return []


def heat_source(
    part: str, settings: HeatMaps, place: Mapping[str, Any], render_data: Path
) -> HeatSource:
    """That of a part, or of the photos of a real rig. `place` says where the photos are
    (`Plan.heat_place`), `render_data` is the folder of all parts."""
    if part != CAPTURE:
        folder = heat_folder(settings.folder, place["root"], part)
        own = settings.model_copy(update={"folder": folder and str(folder)})
        return PairHeat(render_data / folder_of(part), own)
    if settings.source == "fits":  # which photos do not have
        settings = settings.model_copy(update={"source": "files", "folder": None})
    return FrameHeat(Path(place["root"]), place["cameras"], place["size"], settings)


def write_rectified_heat(
    source: HeatSource, name: str, file: Path, centers: Centers, mark: Path
) -> None:
    """Write the heat maps of a pair, whose rectified views are in `file`, beside that; `mark` is
    the folder by which a stage notices when they are lost. Without a result there is no older file
    either. Raises InputError as `HeatSource.read`."""
    remove_unfinished(heat_file(file))
    pair, heat = RectifiedPair.load(file), source.read(name)
    order = pair.order_of(source.poses(name))
    save_heat(file, rectified_heat(pair, heat[order], centers))
    link_files([heat_file(file), *source.written(name)], mark)
