"""Check the files of a scan before Blender reads them: Blender accepts almost every broken file
without a message.

It shows a missing texture magenta, a cut JPEG half gray and a vertex that is not a number at the
origin, and leaves out a face with a wrong index. Here each of these is a ScanError of one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.errors import ScanError
from hgm.scans.obj import ObjMesh, load_obj
from hgm.scans.thuman import ScanFiles

# the faces come last in the file: a file cut off in their midst leaves more vertices unused
UNUSED_VERTICES = 0.10
JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
TAIL = 64  # bytes at the end of a JPEG in which its end marker must lie; some writers pad


@dataclass(frozen=True)
class CheckedScan:
    """A scan that can be rendered."""

    mesh: ObjMesh
    material: Path
    texture: Path


def preflight(files: ScanFiles) -> CheckedScan:
    """Read the mesh, material and head of the texture of a scan. Raises ScanError with the file and
    the fault."""
    mesh = load_obj(files.obj)
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    if used.mean() < 1 - UNUSED_VERTICES:
        raise ScanError(
            f"{files.obj}: {1 - used.mean():.0%} of the vertices have no face; the file is cut off"
        )
    if np.ptp(mesh.vertices[used], axis=0).max() <= 0:
        raise ScanError(f"{files.obj}: all vertices lie in one point; copy the file again")
    material = _material(files.obj, mesh)
    texture = texture_of(material)
    check_texture(texture)
    return CheckedScan(mesh, material, texture)


def _material(obj: Path, mesh: ObjMesh) -> Path:
    if not mesh.materials:
        raise ScanError(f"{obj}: no mtllib line; expected the name of the material file")
    material = obj.parent / mesh.materials[0].replace("\\", "/")
    if not _is_file(material):
        raise ScanError(
            f"{material}: no such file; it is the material of {obj.name}, copy it again"
        )
    return material


def texture_of(material: Path) -> Path:
    """The picture that a material file names. Raises ScanError where it names none or several, or
    it is not there."""
    try:
        text = material.read_text("utf-8", "replace")
    except OSError as error:
        raise ScanError(f"{material}: cannot be read ({error.strerror}); copy it again") from None
    names = re.findall(r"^\s*map_Kd\s+(.+?)\s*$", text, re.M)
    if not names:
        raise ScanError(f"{material}: no map_Kd line; expected the name of the texture")
    if len(set(names)) > 1:
        raise ScanError(f"{material}: {len(set(names))} textures, expected one for the whole scan")
    texture = material.parent / names[0].replace("\\", "/")
    if not _is_file(texture):
        raise ScanError(
            f"{texture}: no such file; it is the texture of {material.name}, copy it again"
        )
    return texture


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file system takes is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def check_texture(path: Path) -> None:
    """Look at both ends of a JPEG or PNG and at its size in pixels. Raises ScanError for anything
    else and for a cut file."""
    with open(path, "rb") as file:
        head = file.read(TAIL)
        file.seek(max(path.stat().st_size - TAIL, 0))
        tail = file.read()
    if head.startswith(JPEG_START):
        if JPEG_END not in tail:
            raise ScanError(
                f"{path}: the JPEG has no end marker; the file is cut off, copy it again"
            )
    elif head.startswith(PNG_START):
        if PNG_END not in tail:
            raise ScanError(f"{path}: the PNG has no end; the file is cut off, copy it again")
    else:
        raise ScanError(
            f"{path}: {'neither a JPEG nor a PNG' if head else 'an empty file'}; copy the texture "
            "again"
        )
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
    except Exception as error:  # a damaged head can raise anything from the decoder
        raise ScanError(f"{path}: not a readable image ({error}); copy the texture again") from None
    if not width or not height:
        raise ScanError(f"{path}: the image is {width} x {height} pixels; copy the texture again")
