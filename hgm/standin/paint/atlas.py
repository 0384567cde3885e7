"""The texture as tiles: where each tile lies, which points of the design its pixels show, and how
gaps are filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hgm.geometry.rays import RayMesh
from hgm.standin.assets import HANDS_FEET, HEAD, LIMBS, Box, StandinAssets, Surface
from hgm.standin.mesh.pieces import Piece

PADDING = 6  # pixels between tiles
MARGIN = 0.02  # share of a tile by which faces may stick out of it and still be drawn
SKIN_TILES = {"limbs": LIMBS, "head": HEAD, "hands_feet": HANDS_FEET}
TILE_SHAPES = {  # width and height, to a common scale
    "head": (520, 900), "limbs": (560, 640), "hands_feet": (860, 190), "eye": (110, 110),
    "top": (900, 560),
    "bottom": (700, 640), "jacket": (900, 560), "skirt": (760, 380),
    "shoes": (420, 200), "hair": (400, 700),
    "strands": (420, 420), "lining": (16, 16),
}  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A rectangle of the texture, in pixels from the upper left, and the box of a UV layout it
    shows."""

    x: int
    y: int
    width: int
    height: int
    box: Box

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the texture."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def pixel_centers(self) -> np.ndarray:
        """[height,width,2]: pixel centers as fractions of the tile, v upwards."""
        across = (np.arange(self.width) + 0.5) / self.width
        up = 1 - (np.arange(self.height) + 0.5) / self.height
        return np.stack(np.meshgrid(across, up), -1)

    def fraction(self, uvs: np.ndarray) -> np.ndarray:
        """Layout coordinates [...,2] -> fractions of the tile, v upwards."""
        low, high = self.box
        return (uvs - low) / (high - low)


@dataclass(frozen=True)
class Texels:
    """The painted pixels of a tile: mask [H,W], design [N,3] and layout uv [N,2] of the pixels in
    it, float32."""

    mask: np.ndarray
    design: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True)
class Atlas:
    """A square texture of `size` pixels and its tiles."""

    size: int
    tiles: Mapping[str, Tile]

    def texture_uvs(self, name: str, uvs: np.ndarray) -> np.ndarray:
        """Layout coordinates [...,2] of a tile -> texture coordinates with v upwards."""
        tile = self.tiles[name]
        corner = np.array([tile.x, self.size - tile.y - tile.height])
        return (corner + tile.fraction(uvs) * [tile.width, tile.height]) / self.size

    def placed(self, piece: Piece, island: np.ndarray) -> Piece:
        """A piece with the uvs of the texture; `island` [F] tells which skin tile each face of the
        skin is on."""
        if piece.tile == "skin":
            uvs = np.full_like(piece.uvs, np.nan)
            for name, label in SKIN_TILES.items():
                uvs[island == label] = self.texture_uvs(name, piece.uvs[island == label])
        else:
            uvs = self.texture_uvs(piece.tile, piece.uvs)
        lining = self.texture_uvs("lining", np.array([0.5, 0.5]))
        return replace(piece, uvs=np.where(np.isnan(uvs), lining, uvs))


def lay_out(pieces: Sequence[Piece], assets: StandinAssets, size: int) -> Atlas:
    """An atlas with the tiles that the pieces need."""
    needed = {piece.tile for piece in pieces} | set(SKIN_TILES) | {"lining"}
    places = pack({name: shape for name, shape in TILE_SHAPES.items() if name in needed}, size)
    return Atlas(size, {name: Tile(*place, assets.boxes[name]) for name, place in places.items()})


def pack(shapes: Mapping[str, tuple[int, int]], size: int) -> dict[str, tuple[int, int, int, int]]:
    """Rows of rectangles (width, height), as large as a common scale lets them be: name -> x, y,
    width, height."""
    names = sorted(shapes, key=lambda name: (-shapes[name][1], name))

    def attempt(scale: float) -> dict[str, tuple[int, int, int, int]] | None:
        x = y = row = 0
        places = {}
        for name in names:
            width, height = (max(int(side * scale), 1) for side in shapes[name])
            if x + width + PADDING > size:
                x = 0
                y = y + row + PADDING
                row = 0
            if width + PADDING > size or y + height + PADDING > size:
                return None
            places[name] = (x + PADDING // 2, y + PADDING // 2, width, height)
            x = x + width + PADDING
            row = max(row, height)
        return places

    low = 0.0
    high = size / 100
    best = attempt(low)
    if best is None:
        raise ValueError(
            f"texture: {size} pixels are too few for {len(names)} tiles; ask for 128 or more"
        )
    for _ in range(24):
        middle = 0.5 * (low + high)
        places = attempt(middle)
        low, high, best = (low, middle, best) if places is None else (middle, high, places)
    return best


def rasterize(
    faces_uv: np.ndarray, values: np.ndarray, centers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate corner values [F,3,k] at pixel centers [H,W,2]: mask [H,W] and values [N,k] of
    its pixels, float32.

    Rays are cast at the flat mesh of the faces' uvs [F,3,2].
    """
    count = len(faces_uv)
    flat = np.c_[faces_uv.reshape(-1, 2), np.zeros(3 * count)]
    points = centers.reshape(-1, 2)
    origins = np.c_[points, np.full(len(points), -1.0)]
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), origins.shape)
    face, weights, _ = RayMesh(flat, np.arange(3 * count).reshape(-1, 3)).hits(origins, up)
    hit = face >= 0
    corners = values.astype(np.float32)[face[hit]]
    return hit.reshape(centers.shape[:2]), np.einsum(
        "nck,nc->nk", corners, weights[hit].astype(np.float32)
    )


def texels(tile: Tile, surface: Surface) -> Texels:
    """What each pixel of a tile shows of a surface."""
    uvs = tile.fraction(surface.uvs)
    near = ((uvs > -MARGIN) & (uvs < 1 + MARGIN)).all((1, 2))
    centers = tile.pixel_centers()
    mask, design = rasterize(uvs[near], surface.design[surface.faces[near]], centers)
    low, high = tile.box
    return Texels(mask, design, (low + centers[mask] * (high - low)).astype(np.float32))


def spread(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """An image [H,W,k] with the values [N,k] at the pixels of `mask` and smooth colors of their
    surroundings elsewhere.

    Push and pull: means over ever larger blocks of known pixels, taken back where nothing finer is
    known.
    """
    image = np.zeros((*mask.shape, values.shape[1]), np.float32)
    image[mask] = values
    return _filled(image, mask.astype(np.float32))[..., :] if values.size else image


def _filled(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    height, width = weight.shape
    if weight.all() or max(height, width) == 1:
        return image
    odd = ((0, height % 2), (0, width % 2))
    known = np.pad(weight, odd).reshape((height + 1) // 2, 2, (width + 1) // 2, 2)
    color = np.pad(image * weight[..., None], (*odd, (0, 0))).reshape(*known.shape, -1)
    total = known.sum((1, 3))
    coarse = color.sum((1, 3)) / np.maximum(total, 1)[..., None]
    coarse = _filled(coarse, (total > 0).astype(np.float32))
    finer = coarse.repeat(2, 0)[:height].repeat(2, 1)[:, :width]
    return np.where(weight[..., None] > 0, image, finer)
