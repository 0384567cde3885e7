"""A textured surface given as arrays, whose vertices move from one picture to the next."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.core.npz import numbers_of
from hgm.errors import InputError
from hgm.scans.preflight import check_texture

PREFIX = "surface-"  # of the files of textures that were given as arrays


@dataclass
class Surface:
    """Triangles with texture coordinates, and how many vertices they are placed by. U of the V
    vertices belong to a face; only these go to the renderer, so that others neither widen a
    picture's border nor count as cropped."""

    faces: np.ndarray  # [F, 3] int32, into the U vertices
    uvs: np.ndarray  # [F, 3, 2] float32, of the faces' corners
    used: np.ndarray  # [U] the vertices that belong to a face, ascending
    count: int | None = None  # V, known once it has a place

    @classmethod
    def of(cls, faces: np.ndarray, uvs: np.ndarray) -> Surface:
        """Check faces [F, 3] and the texture coordinates [F, 3, 2] of their corners; see
        `Renderer.load_surface`. Raises InputError."""
        faces = numbers_of(faces, "surface: faces")
        uvs = numbers_of(uvs, "surface: uvs")
        if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces) or faces.dtype.kind not in "iu":
            raise InputError(
                "surface: faces must be whole numbers [F, 3] of at least one face, got "
                f"{faces.dtype} {list(faces.shape)}"
            )
        if faces.min() < 0:
            raise InputError(
                f"surface: faces hold the index {faces.min()}; expected 0 or more, counted from 0"
            )
        if uvs.shape != (len(faces), 3, 2):
            raise InputError(
                f"surface: uvs must be [{len(faces)}, 3, 2], a pair for every corner of the faces, "
                f"got {list(uvs.shape)}; uvs[faces] makes them from those of vertices"
            )
        if not np.isfinite(uvs).all():
            raise InputError("surface: uvs hold numbers that are not finite")
        used, local = np.unique(faces, return_inverse=True)
        return cls(local.reshape(faces.shape).astype(np.int32), uvs.astype(np.float32), used)

    def placed(self, vertices: np.ndarray) -> np.ndarray:
        """Those of the vertices [V, 3] that belong to a face, float64 [U, 3]. Raises
        InputError."""
        vertices = numbers_of(vertices, "surface: vertices").astype(np.float64)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise InputError(f"surface: vertices must be [V, 3], got {list(vertices.shape)}")
        if self.count is not None and len(vertices) != self.count:
            raise InputError(
                f"surface: {len(vertices)} vertices, but it was placed by {self.count} before; "
                "load another surface for another mesh"
            )
        if len(vertices) <= self.used[-1]:
            raise InputError(
                f"surface: faces hold the index {self.used[-1]}, but there are {len(vertices)} "
                "vertices"
            )
        if bad := int((~np.isfinite(vertices).all(1)).sum()):
            raise InputError(f"surface: {bad} of {len(vertices)} vertices are not finite")
        return vertices[self.used]

    def shaded(self, shade: np.ndarray, count: int) -> np.ndarray:
        """The shade of those of `count` vertices, float32 [U]. Raises InputError."""
        shade = numbers_of(shade, "surface: shade").astype(np.float32)
        if shade.shape != (count,):
            raise InputError(
                f"surface: shade must be [{count}], a number for every vertex, got "
                f"{list(shade.shape)}"
            )
        if not (shade.min() >= 0 and shade.max() <= 1):  # so too where one is not a number
            raise InputError("surface: shade holds numbers outside 0 to 1")
        return shade[self.used]


def texture_file(texture: np.ndarray | str | Path, folder: Path) -> Path:
    """The file of a texture: the given one, or a PNG in `folder` with the bytes of an image [H, W,
    3]. Raises InputError for what is no image."""
    if isinstance(texture, str | Path):
        path = Path(texture)
        if not path.is_file():
            raise InputError(f"{path}: no such file; it is the texture of the surface")
        check_texture(path)
        return path
    from PIL import Image

    texture = numbers_of(texture, "surface: the texture")
    if texture.ndim != 3 or texture.shape[2] != 3 or not texture.size or texture.dtype != np.uint8:
        raise InputError(
            f"surface: the texture must be uint8 [H, W, 3] or a path, got {texture.dtype} "
            f"{list(texture.shape)}"
        )
    # a name of its own: Cycles keeps pictures by their files' names
    with tempfile.NamedTemporaryFile(
        dir=folder, prefix=PREFIX, suffix=".png", delete=False
    ) as file:
        Image.fromarray(texture).save(file, "PNG", compress_level=1)
    return Path(file.name)


def remove_textures(folder: Path, *, but: Path) -> None:
    """Delete the textures that `texture_file` wrote for earlier surfaces."""
    for path in folder.glob(f"{PREFIX}*.png"):
        if path != but:
            path.unlink()
