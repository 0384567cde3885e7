"""Normal-guided refinement: vertices move until the mesh shows given normal maps.

The paper names the terms, L1 on normals and a Laplacian, and calls it fast; steps, rates and
weights below are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.mesh.conversion import colors_of, with_colors
from hgm.mesh.normals import Hits, cast, shown_normals

if TYPE_CHECKING:
    import trimesh

LR = 1e-3  # NU a step
NORMAL = 1.0  # weight of the normals
SMOOTH = 2.0  # on the Laplacian of the vertices in view, in squared edge lengths
STIFF = 1.0  # on the Laplacian of the offsets of all vertices, in squared edge lengths
EVERY = 20  # steps between two castings of the rays


@dataclass(frozen=True)
class NormalTargets:
    """V normal maps that a mesh is to show."""

    normals: Tensor  # [V, 3, H, W], unit length, world axes; zero = no target
    cameras: Cameras  # [V]
    # [V] bool: the map shows the last surface along the rays in place of the first
    farthest: Tensor | None = None


def refine_mesh(
    mesh: trimesh.Trimesh, targets: NormalTargets, *, steps: int
) -> tuple[trimesh.Trimesh, list[dict[str, float]]]:
    """Move the vertices of a mesh in NU so that it shows `targets`: the mesh, faces and colors
    kept, and one row a step.

    Adam on vertex offsets. Rays are cast once every few steps; in between a pixel keeps its face
    and barycentric weights and its normal is interpolated from the vertices, which is where the
    gradients flow. The uniform Laplacian smooths what is in view; out of view only the offsets are
    smoothed, so that those parts keep their shape.
    """
    faces = torch.from_numpy(np.array(mesh.faces, np.int64))
    start = torch.from_numpy(np.array(mesh.vertices, np.float32))
    edges = torch.from_numpy(np.array(mesh.edges_unique, np.int64))
    neighbors = torch.bincount(edges.flatten(), minlength=len(start)).clamp(min=1)
    bend = _laplacian(start, edges, neighbors)
    squared_edge = (start[edges[:, 0]] - start[edges[:, 1]]).square().sum(-1).mean()
    goal = targets.normals.detach().float().cpu().movedim(1, -1).reshape(-1, 3)
    cameras = targets.cameras.to("cpu")
    farthest = (
        torch.zeros(len(cameras), dtype=torch.bool)
        if targets.farthest is None
        else targets.farthest
    )

    offsets = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([offsets], lr=LR)
    history = []
    for step in range(steps):
        vertices = start + offsets
        if step % EVERY == 0:
            hits = _with_target(cast(vertices, faces, cameras, farthest), goal)
            seen = torch.zeros(len(start))
            seen[faces[hits.faces].flatten()] = 1.0
        error = (shown_normals(vertices, faces, hits) - goal[hits.pixels]).abs().sum(-1).mean()
        change = _laplacian(offsets, edges, neighbors)
        smooth = (
            ((bend + change).square().sum(-1) * seen).sum() / seen.sum().clamp(min=1) / squared_edge
        )
        stiff = change.square().sum(-1).mean() / squared_edge
        loss = NORMAL * error + SMOOTH * smooth + STIFF * stiff
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        history.append(
            {"step": step, "normal": error.item(), "smooth": smooth.item(), "stiff": stiff.item()}
        )
    moved = (start + offsets.detach()).double().numpy()
    return with_colors(moved, np.asarray(mesh.faces), colors_of(mesh)), history


def _with_target(hits: Hits, goal: Tensor) -> Hits:
    """Only the hits at pixels that have a target; goal [V * H * W, 3]."""
    keep = goal[hits.pixels].square().sum(-1) > 0.25
    return Hits(hits.pixels[keep], hits.faces[keep], hits.weights[keep])


def _laplacian(x: Tensor, edges: Tensor, neighbors: Tensor) -> Tensor:
    """[N, 3]: the mean of the neighbors, of which there are `neighbors` [N], minus the vertex;
    linear in x."""
    a, b = edges.unbind(-1)
    sums = torch.zeros_like(x).index_add(0, a, x[b]).index_add(0, b, x[a])
    return sums / neighbors[:, None] - x
