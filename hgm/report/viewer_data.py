"""What the page's viewer turns, packed into scripts: browsers forbid a page on disk to fetch other
files."""

from __future__ import annotations

import base64
import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hgm.errors import InputError
from hgm.export.spz import write_spz
from hgm.gaussians import Gaussians
from hgm.mesh.conversion import colors_of, with_colors
from hgm.mesh.io import glb_bytes, load_mesh
from hgm.report.parts import Turned
from hgm.report.pictures import Assets

if TYPE_CHECKING:
    import trimesh

ALL = 15_000_000  # Gaussians, and triangles, beside a page: about 300 MB of each
MOST = 150_000  # of one person: a phone turns them smoothly
LEAST = 5_000


@dataclass(frozen=True)
class Solid:
    """One thing to turn: count of total Gaussians or triangles are in the script."""

    script: bytes
    count: int
    total: int


def share(people: int) -> int:
    """Gaussians, and triangles, of one person among so many."""
    return max(LEAST, min(MOST, ALL // max(people, 1)))


def turned(
    assets: Assets, limit: int, size: int, *, gaussians: Path | None, mesh: Path | None = None
) -> Turned | None:
    """What the page's viewer loads of a subject's files, at most `limit` Gaussians and triangles;
    None where there is nothing to turn. size: edge of the training pictures in pixels."""
    made = {}
    for kind, path, pack in (
        ("gaussians", gaussians, gaussian_solid),
        ("mesh", mesh, mesh_solid),
    ):
        solid = None if path is None else pack(path, limit)
        if solid is not None:
            made[kind] = solid
    if not made:
        return None
    words = {"gaussians": "Gaussians", "mesh": "triangles"}
    notes = [
        f"{s.count:,}{f' of {s.total:,}' if s.count < s.total else ''} {words[kind]}"
        for kind, s in made.items()
    ]
    scripts = {kind: assets.add(s.script, ".js") for kind, s in made.items()}
    return Turned(size, scripts.get("gaussians"), scripts.get("mesh"), ", ".join(notes))


def script(kind: str, data: bytes) -> bytes:
    """JavaScript that hands bytes to the viewer as base64 under `gaussians` or `mesh`."""
    return b'(window.hgmData??={}).%s="%s";\n' % (kind.encode("ascii"), base64.b64encode(data))


def gaussian_solid(path: Path, limit: int) -> Solid | None:
    """The Gaussians of a .ply as an .spz, the `limit` largest products of opacity and area; None
    where there are none to see."""
    try:
        gaussians = Gaussians.load_ply(path).detach()
        few = most_visible(gaussians, limit)
        with tempfile.TemporaryDirectory() as folder:
            write_spz(few, Path(folder, "few.spz"))
            data = Path(folder, "few.spz").read_bytes()
    except InputError:
        return None
    return Solid(script("gaussians", data), len(few), len(gaussians)) if len(few) else None


def most_visible(gaussians: Gaussians, limit: int) -> Gaussians:
    """At most `limit` unbatched Gaussians of those that show at all, in their old order."""
    opacities = gaussians.opacities.numpy()
    scales = gaussians.scales.numpy()
    keep = np.flatnonzero(opacities >= 1 / 255)
    if len(keep) > limit:
        two_largest = np.sort(scales[keep], axis=1)[:, 1:].prod(1)
        keep = np.sort(keep[np.argsort(-opacities[keep] * two_largest, kind="stable")[:limit]])
    g = gaussians
    return Gaussians(
        g.means[keep], g.opacities[keep], g.scales[keep], g.quats[keep], g.colors[keep]
    )


def mesh_solid(path: Path, limit: int) -> Solid | None:
    """A mesh.glb, zipped, with about `limit` triangles at most; None where it is broken or
    empty."""
    try:
        mesh = load_mesh(path)
    except InputError:
        return None
    total = len(mesh.faces)
    if total <= limit:
        data = path.read_bytes()
    else:
        mesh = coarser(mesh, limit)
        data = glb_bytes(mesh)
    return (
        Solid(script("mesh", gzip.compress(data, 4, mtime=0)), len(mesh.faces), total)
        if len(mesh.faces)
        else None
    )


def coarser(mesh: trimesh.Trimesh, limit: int) -> trimesh.Trimesh:
    """About `limit` triangles: the vertices of each cell of a grid become their mean (Rossignac and
    Borrel, 1993)."""
    vertices = np.asarray(mesh.vertices)
    faces = np.asarray(mesh.faces)
    colors = colors_of(mesh).astype(np.float64)
    # a surface passes 1.5 cells for each face of one in area, with two triangles each
    cell = np.sqrt(3 * float(mesh.area) / limit)
    place = np.floor((vertices - vertices.min(0)) / cell).astype(np.int64)
    _, of, counts = np.unique(place @ [1, 2**20, 2**40], return_inverse=True, return_counts=True)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(of, v, len(counts)) for v in values.T], 1) / counts[:, None]

    joined = of[faces]
    whole = (
        (joined[:, 0] != joined[:, 1])
        & (joined[:, 1] != joined[:, 2])
        & (joined[:, 2] != joined[:, 0])
    )
    _, first = np.unique(np.sort(joined[whole], 1) @ [1, 2**20, 2**40], return_index=True)
    return with_colors(
        mean(vertices), joined[whole][np.sort(first)], np.rint(mean(colors)).astype(np.uint8)
    )
