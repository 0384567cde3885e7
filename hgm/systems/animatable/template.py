"""A template: a closed mesh of the dressed person in the star pose, in the place of the body's, for
clothes that are not close to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.body.model import BodyModel, PosedBody
from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError
from hgm.geometry.normals import face_normals
from hgm.geometry.rays import RayMesh
from hgm.geometry.sampling import spread_values
from hgm.systems.animatable.diffusion import Box, averaged, harmonic
from hgm.systems.animatable.star import Surface

ENDINGS = (".ply", ".obj")
LOW, HIGH = 0.5, 3.0  # m, of anybody
RASTER = 160  # rays an edge, by which template and body are compared from the front
UNCOVERED = 0.10  # of the body as seen from the front, at most
PER_CELL = 16  # points of the body's surface for each cell that it goes through, about
WANTED = "expected a closed mesh of the person in the star pose (docs/animatable.md)"


def read_template(path: Path, star: PosedBody, model: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] float64 in meters and faces [F, 3] of a template.

    Raises InputError for a file that is not there or no mesh, for one that is open, in another unit
    than meters, lying, in another place or in another pose than the star of the body.
    """
    vertices, faces = _mesh(path)
    size = np.ptp(vertices, axis=0)
    if size.max() > 100 * LOW:
        raise InputError(
            f"{path}: is {size.max():.0f} units large, expected meters; scale it by 0.001 if these "
            f"are millimeters, by 0.01 for centimeters; {WANTED}"
        )
    if not LOW < size.max() < HIGH:
        raise InputError(f"{path}: is {size.max():.2f} m large; {WANTED}")
    if size[1] < size[2]:
        raise InputError(
            f"{path}: is {size[1]:.2f} m high and {size[2]:.2f} m deep: it lies; turn it so that y "
            f"is up and the person looks along z; {WANTED}"
        )
    body = star.vertices.cpu().double().numpy()
    shift = (vertices.min(0) + vertices.max(0) - body.min(0) - body.max(0)) / 2
    uncovered = _uncovered(vertices, faces, body, model.faces.cpu().numpy())
    if uncovered > UNCOVERED:
        centered = _uncovered(vertices - shift, faces, body, model.faces.cpu().numpy())
        if centered <= UNCOVERED:
            raise InputError(
                f"{path}: its box is {np.round(shift, 2).tolist()} m away from the body's; shift "
                f"it to where SMPL-X is in the star pose; {WANTED}"
            )
        raise InputError(
            f"{path}: leaves {uncovered:.0%} of the body uncovered as seen from the front, at most "
            f"{UNCOVERED:.0%} can be; it is in another pose than the star, legs 25 degrees out and "
            f"arms level, or of another person; {WANTED}"
        )
    return vertices, faces


def diffused_weights(
    vertices: np.ndarray, star: PosedBody, model: BodyModel, grid: int
) -> np.ndarray:
    """Skinning weights [V, 55] float32 of vertices [V, 3] around a body in the star pose: harmonic
    between the cells of a volume that the body's surface goes through, `grid` of them along its
    longest edge."""
    body, faces = star.vertices.cpu().double().numpy(), model.faces.cpu().numpy()
    weights = model.skinning_weights.cpu().double().numpy()
    box = Box.around(np.concatenate([vertices, body]), grid)
    area = np.linalg.norm(face_normals(body, faces), axis=1).sum() / 2
    points, values = spread_values(body, faces, weights, int(PER_CELL * area / box.cell**2))
    fixed, values = averaged(box.cells(points), values)
    found = np.maximum(box.mixing(vertices) @ harmonic(box.shape, fixed, values), 0)
    return (found / found.sum(1, keepdims=True)).astype(np.float32)


def write_template(
    mesh: Path, weights_file: Path, vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> None:
    """Write a template as binary PLY, and its weights as npz; equal ones give equal bytes."""
    import trimesh

    plain = trimesh.Trimesh(vertices, faces, process=False)
    with atomic_write(mesh) as file:
        file.write(plain.export(file_type="ply"))
    with atomic_write(weights_file) as file:
        np.savez_compressed(file, weights=weights)


def load_template(mesh: Path, weights_file: Path) -> Surface:
    """Read what `write_template` wrote. Raises InputError for other files."""
    vertices, faces = _mesh(mesh)
    weights = read_npz(weights_file, ("weights",), what="file of weights").get("weights")
    numbers = numbers_of(weights, f"{weights_file}: weights") if weights is not None else None
    if numbers is None or numbers.ndim != 2 or len(numbers) != len(vertices):
        raise InputError(
            f"{weights_file}: does not hold the weights of {mesh}; delete both and run again"
        )
    return Surface(vertices, faces, numbers.astype(np.float64))


def _mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, each once, and faces of a closed mesh. Raises InputError for any other file."""
    import trimesh

    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path}: expected a mesh as {' or '.join(ENDINGS)}; {WANTED}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; {WANTED}")
    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
        if not len(mesh.faces):
            raise ValueError("it has no faces")
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
        finite = np.isfinite(vertices).all()
    except Exception as error:  # a damaged file can raise anything from its parser
        raise InputError(f"{path}: not a readable mesh ({error}); {WANTED}") from None
    if not finite:
        raise InputError(f"{path}: holds vertices that are not finite; {WANTED}")
    # exports split vertices where textures do, which is no hole
    places, index = np.unique(vertices, axis=0, return_inverse=True)
    faces = index.reshape(-1)[faces]
    if open_edges := _open_edges(faces):
        raise InputError(
            f"{path}: is open: {open_edges} of its edges belong to one face alone; close its holes;"
            f" {WANTED}"
        )
    return places, faces


def _open_edges(faces: np.ndarray) -> int:
    """Edges that do not belong to an even number of faces."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    return int((counts % 2).sum())


def _uncovered(
    vertices: np.ndarray, faces: np.ndarray, body: np.ndarray, body_faces: np.ndarray
) -> float:
    """The share of a body's silhouette from the front that a template leaves out."""
    low, high = body.min(0), body.max(0)
    x, y = np.meshgrid(*(np.linspace(low[i], high[i], RASTER) for i in (0, 1)))
    origins = np.stack([x, y, np.full_like(x, max(high[2], vertices[:, 2].max()) + 1)], -1)
    directions = np.broadcast_to([0.0, 0.0, -1.0], origins.shape)
    seen, covered = (
        RayMesh(v, f).hits(origins, directions)[0] >= 0
        for v, f in ((body, body_faces), (vertices, faces))
    )
    return float((seen & ~covered).sum() / seen.sum())
