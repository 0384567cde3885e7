"""Stand-in scans on disk, in THuman2.0's layout."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hgm.core.files import atomic_folder, atomic_write
from hgm.core.progress import Progress
from hgm.standin.assets import load_assets
from hgm.standin.body.skinning import pose_body
from hgm.standin.scan import Scan, make_scan

SCANS = "THuman2.0_Release"
FITS = "THuman2.0_Smpl_X_Paras"
MARKER = "STANDIN"
MARKER_TEXT = """These are not THuman2.0.
They are generated, free stand-ins in its layout, made from public-domain (CC0) parts. Their fits \
belong to the stand-in
body models and mean nothing with the real SMPL-X files. Numbers measured on them say \
nothing about real data.
"""
MATERIAL = """newmtl material0
Ka 1.000000 1.000000 1.000000
Kd 1.000000 1.000000 1.000000
Ks 0.000000 0.000000 0.000000
Ns 0.000000
illum 1
map_Kd material0.jpeg
"""
JPEG_QUALITY = 92


def scan_name(number: int) -> str:
    """7 -> `0007`."""
    return f"{number:04d}"


def write_scan(root: str | Path, name: str, scan: Scan) -> Path:
    """Write one scan and its fit under `root`; returns the scan's folder. Each of its two folders
    appears whole.

    `THuman2.0_Release/NAME/`: NAME.obj, material0.mtl, material0.jpeg.
    `THuman2.0_Smpl_X_Paras/NAME/`: smplx_param.pkl (a dict of float32 arrays), mesh_smplx.obj (the
    fitted body).
    """
    from PIL import Image

    root = Path(root)
    write_marker(root)
    with atomic_folder(root / FITS / name) as folder:
        fit = {key: np.ascontiguousarray(value) for key, value in scan.fit.items()}
        (folder / "smplx_param.pkl").write_bytes(pickle.dumps(fit, protocol=2))
        (folder / "mesh_smplx.obj").write_text(_body_obj(scan))
    with atomic_folder(root / SCANS / name) as folder:
        Image.fromarray(scan.texture).save(folder / "material0.jpeg", quality=JPEG_QUALITY)
        (folder / "material0.mtl").write_text(MATERIAL)
        (folder / f"{name}.obj").write_text(_scan_obj(scan))
    return root / SCANS / name


def write_marker(root: str | Path) -> None:
    """Mark `root` as a folder of stand-ins."""
    marker = Path(root) / MARKER
    if not marker.exists():
        with atomic_write(marker, "w") as file:
            file.write(MARKER_TEXT)


def is_complete(root: str | Path, name: str, texture: int) -> bool:
    """Whether the scan and its fit are there, with a texture of this size."""
    from PIL import Image

    scan = Path(root) / SCANS / name
    fit = Path(root) / FITS / name
    files = [
        scan / f"{name}.obj",
        scan / "material0.mtl",
        fit / "smplx_param.pkl",
        fit / "mesh_smplx.obj",
    ]
    if not all(file.is_file() and file.stat().st_size for file in files):
        return False
    try:
        with Image.open(scan / "material0.jpeg") as image:
            return image.size == (texture, texture)
    except OSError:
        return False


def make_chunk(root: str | Path, numbers: Iterable[int], texture: int = 2048) -> list[Path]:
    """Make the scans of these seeds under `root`, each named by its seed; those that are complete
    stay as they are.

    Returns the scans' folders in the order of `numbers`.
    """
    numbers = list(numbers)
    folders = []
    with Progress("stand-in scans", len(numbers)) as progress:
        for name, number in progress.each([(scan_name(n), n) for n in numbers], lambda one: one[0]):
            if not is_complete(root, name, texture):
                write_scan(root, name, make_scan(number, texture))
            folders.append(Path(root) / SCANS / name)
    return folders


def body_vertices(scan: Scan) -> np.ndarray:
    """The fitted body in the scan's frame, [10475,3]."""
    skeleton = load_assets().skeleton
    posed = pose_body(skeleton, scan.fit)
    return posed.carry(posed.rest, skeleton.weights) * scan.fit["scale"] + scan.fit["translation"]


def _body_obj(scan: Scan) -> str:
    return _lines("v %.6f %.6f %.6f\n", body_vertices(scan)) + _lines(
        "f %d %d %d\n", load_assets().faces + 1
    )


def _scan_obj(scan: Scan) -> str:
    uvs, index = _distinct_uvs(scan.uvs)
    corners = np.stack([scan.faces, index[scan.uv_faces]], 2).reshape(len(scan.faces), 6) + 1
    return "".join(
        [
            "mtllib material0.mtl\nusemtl material0\n",
            _lines("v %.6f %.6f %.6f\n", scan.vertices),
            _lines("vt %.6f %.6f\n", uvs),
            _lines("f %d/%d %d/%d %d/%d\n", corners),
        ]
    )


def _distinct_uvs(uvs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UVs [T,2] as they are written, each once, and the index of each of the old ones."""
    millionths = np.round(uvs * 1e6).astype(np.int64)
    _, first, inverse = np.unique(
        millionths[:, 0] * 2**32 + millionths[:, 1], return_index=True, return_inverse=True
    )
    return uvs[first], inverse.ravel()


def _lines(pattern: str, rows: np.ndarray) -> str:
    return (pattern * len(rows)) % tuple(rows.ravel().tolist())
