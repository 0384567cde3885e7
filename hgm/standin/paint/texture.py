"""The whole texture of a person: every tile painted, shaded by the sky that it sees, with the
grain of a photograph."""

from __future__ import annotations

import numpy as np

from hgm.geometry.normals import vertex_normals
from hgm.geometry.rays import RayMesh
from hgm.standin.assets import StandinAssets
from hgm.standin.clothes.outfit import ARMS
from hgm.standin.mesh.union import TexturedMesh
from hgm.standin.noise import ramp
from hgm.standin.paint.atlas import SKIN_TILES, Atlas, Tile, rasterize, spread, texels
from hgm.standin.paint.cloth_paint import (
    Tailor,
    paint_cap,
    paint_jacket,
    paint_shoes,
    paint_skirt,
    paint_strands,
    paint_top,
    paint_trousers,
)
from hgm.standin.paint.patterns import mix
from hgm.standin.paint.skin_paint import Features, paint_eye, paint_skin
from hgm.standin.person import Looks

GRAIN = 0.008
SHADE_SCALE = 3  # the shading is as many times coarser than the texture
DARKEST = 0.42
DIRECTIONS = 28  # in which the sky is looked for
REACH = 0.25  # meters; what is farther away casts no shade
SKY = 0.5  # how much brighter the sky is above than at the horizon


def paint(assets: StandinAssets, atlas: Atlas, looks: Looks, tailor: Tailor) -> np.ndarray:
    """Colors without light: [S,S,3] float32 in 0-1."""
    image = np.full((atlas.size, atlas.size, 3), 0.5, np.float32)
    features = Features.of(assets)
    for name, tile in atlas.tiles.items():
        image[tile.window] = _paint_tile(name, tile, assets, looks, tailor, features)
    return image


def _paint_tile(
    name: str, tile: Tile, assets: StandinAssets, looks: Looks, tailor: Tailor, features: Features
) -> np.ndarray:
    centers = tile.pixel_centers().reshape(-1, 2)
    shape = (tile.height, tile.width, 3)
    if name == "eye":
        return paint_eye(centers, looks).reshape(shape)
    if name == "strands":
        return paint_strands(centers, looks.hair, tailor.noise).reshape(shape)
    if name == "lining":
        return np.broadcast_to(0.35 * tailor.outfit.palette.top[0], shape)
    if name == "skirt":
        points = texels(tile, assets.skirt.surface)
        return spread(points.mask, paint_skirt(points, tailor))
    if name in SKIN_TILES or name == "hair":
        points = texels(tile, assets.fine_skin)
        if name == "hair":
            return spread(points.mask, paint_cap(points, tailor, looks.hair))
        color = paint_skin(points, looks, features, tailor.noise, head=name == "head")
        underwear = ramp(points.design[:, 1], -0.20, -0.21) * ramp(
            points.design[:, 1], -0.50, -0.49
        )
        near_trunk = np.abs(points.design[:, 0]) < ARMS
        return spread(
            points.mask, mix(color, 0.6 * tailor.outfit.palette.bottom, underwear * near_trunk)
        )
    points = texels(tile, assets.tights.surface)
    painter = {
        "top": paint_top,
        "jacket": paint_jacket,
        "bottom": paint_trousers,
        "shoes": paint_shoes,
    }[name]
    return spread(points.mask, painter(points, tailor))


def shade(mesh: TexturedMesh, light: np.ndarray, size: int) -> np.ndarray:
    """Factor [S,S] for the texture from the light [V] at the vertices."""
    from PIL import Image

    small = max(size // SHADE_SCALE, 1)
    centers = Tile(0, 0, small, small, (np.zeros(2), np.ones(2))).pixel_centers()
    mask, values = rasterize(mesh.uvs[mesh.uv_faces], light[mesh.faces][..., None], centers)
    coarse = Image.fromarray(np.ascontiguousarray(spread(mask, values)[..., 0], np.float32))
    smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BILINEAR))
    return DARKEST + (1 - DARKEST) * np.clip(smooth, 0, 1) ** np.float32(0.8)


def developed(image: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The painted image [S,S,3] under its light [S,S], with grain, as uint8."""
    grain = rng.standard_normal(factor.shape, np.float32) * np.float32(GRAIN)
    lit = image * factor[..., None] + grain[..., None]
    return (np.clip(lit, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


def sphere_directions(count: int) -> np.ndarray:
    """[count,3] unit vectors spread evenly over the sphere (Fibonacci spiral), y up."""
    index = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * index / count)
    around = np.pi * (1 + 5**0.5) * index
    return np.stack(
        [np.cos(around) * np.sin(polar), np.cos(polar), np.sin(around) * np.sin(polar)], 1
    )


def sky_light(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Cosine-weighted share of the sky that each vertex sees, [V] in 0-1."""
    normals = vertex_normals(vertices, faces)
    scene = RayMesh(vertices, faces)
    origins = vertices + 0.0015 * normals
    seen = np.zeros(len(vertices))
    total = np.zeros(len(vertices))
    for direction in sphere_directions(DIRECTIONS):
        cosine = normals @ direction
        lit = np.flatnonzero(cosine > 0.05)
        distance = scene.distances(origins[lit], np.broadcast_to(direction, (len(lit), 3)))
        weight = cosine[lit] * (1.15 + SKY * direction[1])
        seen[lit] += weight * np.clip(distance / REACH, 0, 1)
        total[lit] += weight
    return np.where(total > 0, seen / np.maximum(total, 1e-9), 1.0)
