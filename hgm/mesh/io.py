"""Colored meshes as `.glb`; equal meshes give equal bytes.

glTF holds linear colors and our meshes sRGB ones, so they are converted on the way; most viewers
then show the colors of the photo. Eight bits of linear light are coarse in the dark: sRGB values
under about 50 of 255 come back changed by up to 6.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.mesh.conversion import colors_of, with_colors

if TYPE_CHECKING:
    import trimesh


def save_mesh(path: str | Path, mesh: trimesh.Trimesh) -> None:
    """Write vertices (float32, NU), normals, faces and vertex colors as a binary glTF file."""
    with atomic_write(path) as file:
        file.write(glb_bytes(mesh))


def glb_bytes(mesh: trimesh.Trimesh) -> bytes:
    """The binary glTF file of a mesh with a rough, non-metallic material."""
    from trimesh.exchange.gltf import export_glb

    linear = np.rint(_to_linear(colors_of(mesh) / 255.0) * 255).astype(np.uint8)
    plain = with_colors(np.asarray(mesh.vertices), np.asarray(mesh.faces), linear)
    return export_glb(plain.scene(), include_normals=True, tree_postprocessor=_matte)


def load_mesh(path: str | Path) -> trimesh.Trimesh:
    """Read what `save_mesh` wrote. Raises InputError for any other file."""
    from trimesh.exchange.gltf import load_glb

    try:
        with open(path, "rb") as file:
            (geometry,) = load_glb(file, ignore_broken=False)["geometry"].values()
        linear = np.asarray(geometry["visual"].vertex_attributes["color"])[:, :3] / 255.0
        colors = np.rint(_to_srgb(linear) * 255).astype(np.uint8)
        return with_colors(
            np.asarray(geometry["vertices"], np.float64),
            np.asarray(geometry["faces"], np.int64),
            colors,
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise InputError(
            f"{path}: not a mesh that this program wrote ({error}); make it again with: hgm "
            "reconstruct"
        ) from None


def _matte(tree: dict[str, Any]) -> None:
    """Without a material a glTF mesh is metal, black in most viewers."""
    tree["materials"] = [
        {
            "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
            "doubleSided": True,
        }
    ]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0


def _to_linear(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _to_srgb(x: np.ndarray) -> np.ndarray:
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 1e-12) ** (1 / 2.4) - 0.055)
