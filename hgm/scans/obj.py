"""Wavefront OBJ files of scans, read with numpy: positions, texture coordinates and faces `v/vt` or
`v/vt/vn`."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.errors import ScanError

NEWLINE = b"\n"[0]
SPACE = b" "[0]
SLASH = b"/"[0]
# nan, inf, text
NOT_A_NUMBER = re.compile(rb"^v[tn]?[ \t][-+0-9.eE \t\r]*[^-+0-9.eE \t\r\n][^\n]*", re.M)
MATERIALS = re.compile(rb"^mtllib[ \t]+([^\r\n]+)", re.M)


@dataclass(frozen=True)
class ObjMesh:
    """A triangulated mesh in the units of its file; faces index `uvs` by themselves, so seams do
    not split vertices."""

    vertices: np.ndarray  # [V, 3] float64
    faces: np.ndarray  # [F, 3] int64
    uvs: np.ndarray  # [T, 2] float64, v up
    uv_faces: np.ndarray  # [F, 3] int64
    polygons: int  # faces in the file, before triangulation
    materials: tuple[str, ...]  # files named by mtllib

    def corner_uvs(self) -> np.ndarray:
        """Texture coordinates of the corners of every face, [F, 3, 2]."""
        return self.uvs[self.uv_faces]


def load_obj(path: str | Path) -> ObjMesh:
    """Read an OBJ file; polygons become triangle fans, in the order of the file.

    Raises ScanError for a missing or empty file, no faces, no texture coordinates, something that
    is not a finite number, and indices that are out of range or negative (relative).
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScanError(
            f"{path}: cannot be read ({error.strerror}); expected the OBJ file of a scan"
        ) from None
    lines = _Lines(data)
    v = lines.of("v")
    vt = lines.of("vt")
    f = lines.of("f")
    if not v.any():
        raise ScanError(f"{path}: no vertices; the file is empty or not an OBJ, copy it again")
    if not f.any():
        raise ScanError(f"{path}: {int(v.sum())} vertices but no faces; copy the file again")
    if not vt.any():
        raise ScanError(f"{path}: no texture coordinates (vt); a textured scan is needed")
    if fault := NOT_A_NUMBER.search(data):
        line = fault.group().strip()[:60].decode("ascii", "replace")
        raise ScanError(
            f"{path}: the line {line!r} holds something that is not a number; copy the file again"
        )
    vertices = _table(lines.join(v), int(v.sum()), 3, path, "v")
    uvs = _table(lines.join(vt), int(vt.sum()), 2, path, "vt")
    corners, uv_corners, sizes = _corners(lines, f, path)
    for name, index, count in (("vertex", corners, len(vertices)), ("vt", uv_corners, len(uvs))):
        if index.min() < 1 or index.max() > count:
            wrong = int(index.max() if index.max() > count else index.min())
            raise ScanError(
                f"{path}: a face uses {name} {wrong}, expected 1 to {count}; copy the file again"
            )
    fan = _fans(sizes)
    materials = tuple(name.decode("utf-8", "replace").strip() for name in MATERIALS.findall(data))
    return ObjMesh(vertices, corners[fan] - 1, uvs, uv_corners[fan] - 1, len(sizes), materials)


class _Lines:
    """The lines of a file as ranges of bytes, so that a kind of line can be cut out without a
    loop."""

    def __init__(self, data: bytes) -> None:
        text = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
        self.text = text
        ends = np.flatnonzero(text == NEWLINE) + 1
        self.starts = np.concatenate([[0], ends[:-1]])
        self.lengths = ends - self.starts
        padded = np.append(text, np.full(3, NEWLINE, np.uint8))
        self.heads = padded[self.starts[:, None] + np.arange(3)]  # [lines, 3]

    def of(self, keyword: str) -> np.ndarray:
        """Which lines start with a keyword of one or two letters, [lines] bool."""
        letters = np.frombuffer(keyword.encode(), np.uint8)
        after = self.heads[:, len(letters)]
        return (self.heads[:, : len(letters)] == letters).all(1) & ((after == SPACE) | (after == 9))

    def join(self, chosen: np.ndarray) -> np.ndarray:
        """The bytes of the chosen lines in a row, their keywords blanked."""
        text = self.text[np.repeat(chosen, self.lengths)]
        starts = np.cumsum(self.lengths[chosen]) - self.lengths[chosen]
        text[starts] = SPACE
        second = starts + 1
        text[second[text[second] >= 65]] = SPACE  # the second letter of vt
        return text


def _numbers(text: np.ndarray, path: Path, kind: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.tobytes().decode("ascii"), np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise ScanError(
                f"{path}: a {kind} line is not made of numbers; copy the file again"
            ) from None


def _table(text: np.ndarray, rows: int, columns: int, path: Path, kind: str) -> np.ndarray:
    """[rows, columns] float64; further columns (colors, w) are left out."""
    numbers = _numbers(text, path, kind)
    if len(numbers) % rows or len(numbers) // rows < columns:
        raise ScanError(
            f"{path}: the {kind} lines do not all hold the same number of values (at least "
            f"{columns})"
        )
    table = numbers.reshape(rows, -1)[:, :columns]
    if not np.isfinite(table).all():
        raise ScanError(
            f"{path}: a {kind} line holds a number that is not finite; copy the file again"
        )
    return np.ascontiguousarray(table)


def _corners(
    lines: _Lines, chosen: np.ndarray, path: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertex and vt indices (from 1) of all corners of all faces in a row, [C] each, and corners
    per face [P]."""
    text = lines.join(chosen)
    blank = text <= SPACE
    token = ~blank & np.concatenate([[True], blank[:-1]])  # first byte of a corner
    starts = np.cumsum(lines.lengths[chosen]) - lines.lengths[chosen]
    sizes = np.add.reduceat(token, starts, dtype=np.int64)
    if sizes.min() < 3:
        raise ScanError(
            f"{path}: a face has fewer than three corners; the file is damaged, copy it again"
        )
    slashes = np.add.reduceat(text == SLASH, np.flatnonzero(token), dtype=np.int64)
    double = ((text[:-1] == SLASH) & (text[1:] == SLASH)).any()
    if slashes.min() != slashes.max() or slashes[0] not in (1, 2) or double:
        raise ScanError(
            f"{path}: faces without texture coordinates; every corner must be v/vt or v/vt/vn"
        )
    text[text == SLASH] = SPACE
    table = _table(text, len(slashes), int(slashes[0]) + 1, path, "f").astype(np.int64)
    return table[:, 0], table[:, 1], sizes


def _fans(sizes: np.ndarray) -> np.ndarray:
    """Positions [F, 3] of the corners of the triangle fans of polygons with `sizes` [P] corners
    each."""
    first = np.cumsum(sizes) - sizes
    triangles = sizes - 2
    start = np.repeat(first, triangles)
    step = np.arange(len(start)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    return np.stack([start, start + step + 1, start + step + 2], 1)
