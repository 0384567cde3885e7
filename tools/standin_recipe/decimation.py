"""Half-edge collapse: vertices are merged into neighbors, so those that stay keep their place,
weights and blend shapes."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Callable, Mapping

import numpy as np

LENGTH_COST = 0.03  # of an edge's length, fourth power, next to the quadric error
LARGEST_VALENCE = 11
SMALLEST_SHAPE = 0.12  # twice the area over the longest edge squared; less is a sliver
LARGEST_TURN = 0.35  # cosine between the normals of a face before and after a collapse


class Decimator:
    """An open triangle mesh with UV corners that shrinks by one vertex at a time, cheapest first.

    A collapse never tears a UV seam, flips a face, makes a sliver or moves a boundary off itself.
    """

    def __init__(
        self, points: np.ndarray, faces: np.ndarray, corners: np.ndarray, importance: np.ndarray
    ) -> None:
        """points [V, 3], faces [F, 3], UV indices of the faces' corners [F, 3], importance [V] (1
        is ordinary)."""
        self.points = points
        self.importance = importance
        self.faces = {i: tuple(map(int, face)) for i, face in enumerate(faces)}
        self.corners = {i: tuple(map(int, corner)) for i, corner in enumerate(corners)}
        self._around: dict[int, set[int]] = collections.defaultdict(set)  # faces around a vertex
        for i, face in self.faces.items():
            for v in face:
                self._around[v].add(i)
        self.alive = set(self._around)
        self.boundary = self._open_vertices()
        self._quadrics = self._face_quadrics()
        self._add_boundary_quadrics()
        self._stamps: collections.Counter[int] = collections.Counter()
        self._queue: list[tuple[float, int, int, int]] = []
        for v in self.alive:
            self._push(v)

    def collapse(self, count: int, allowed: Callable[[int], bool]) -> None:
        """Remove `count` vertices among those allowed. Raises RuntimeError when no more can be
        removed."""
        later = []
        while count:
            if not self._queue:
                raise RuntimeError(f"{count} more vertices cannot be removed from the mesh")
            item = heapq.heappop(self._queue)
            _, v, u, stamp = item
            if v not in self.alive or u not in self.alive or self._stamps[v] != stamp:
                continue
            if not allowed(v):
                later.append(item)
            elif (moves := self._corner_moves(v, u)) is not None:
                self._merge(v, u, moves)
                count -= 1
        for item in later:
            heapq.heappush(self._queue, item)

    def neighbors(self, v: int) -> set[int]:
        return {u for i in self._around[v] for u in self.faces[i]} - {v}

    def _open_vertices(self) -> set[int]:
        edges = collections.Counter(
            tuple(sorted(edge))
            for face in self.faces.values()
            for edge in zip(face, face[1:] + face[:1], strict=True)
        )
        return {v for edge, count in edges.items() if count == 1 for v in edge}

    def _face_quadrics(self) -> dict[int, np.ndarray]:
        """The area-weighted quadric [4, 4] of the planes around each vertex."""
        quadrics: dict[int, np.ndarray] = collections.defaultdict(lambda: np.zeros((4, 4)))
        for face in self.faces.values():
            a, b, c = self.points[list(face)]
            normal = np.cross(b - a, c - a)
            area = np.linalg.norm(normal)
            normal = normal / max(area, 1e-15)
            plane = np.r_[normal, -normal @ a]
            for v in face:
                quadrics[v] += np.outer(plane, plane) * area / 2
        return quadrics

    def _add_boundary_quadrics(self) -> None:
        """Walls on the boundary, so that it keeps its course."""
        for v in self.boundary:
            for u in self.neighbors(v):
                shared = self._around[u] & self._around[v]
                if u not in self.boundary or len(shared) != 1:
                    continue
                face = list(self.faces[next(iter(shared))])
                edge = self.points[u] - self.points[v]
                normal = np.cross(edge, np.cross(*(self.points[face][1:] - self.points[face[0]])))
                normal /= max(np.linalg.norm(normal), 1e-15)
                plane = np.r_[normal, -normal @ self.points[v]]
                self._quadrics[v] += np.outer(plane, plane) * (edge @ edge)

    def _push(self, v: int) -> None:
        for u in self.neighbors(v):
            point = np.r_[self.points[u], 1]
            squared = ((self.points[u] - self.points[v]) ** 2).sum()
            cost = self.importance[v] * (
                point @ self._quadrics[v] @ point + LENGTH_COST * squared * squared
            )
            heapq.heappush(self._queue, (float(cost), v, u, self._stamps[v]))

    def _corner_moves(self, v: int, u: int) -> Mapping[int, int] | None:
        """The UV corners of v -> those of u that take their place, or None where v must not be
        merged into u."""
        shared = self._around[v] & self._around[u]
        # a boundary vertex moves along its boundary
        if not shared or (v in self.boundary and len(shared) != 1):
            return None
        if len(self.neighbors(v) & self.neighbors(u)) != len(shared):
            return None
        if len(shared) == 2 and v in self.boundary and u in self.boundary:
            return None
        moves = {
            self.corners[i][self.faces[i].index(v)]: self.corners[i][self.faces[i].index(u)]
            for i in shared
        }
        for i in self._around[v] - shared:
            if self.corners[i][self.faces[i].index(v)] not in moves or not self._stays_sound(
                i, v, u
            ):
                return None
        return moves if len(self.neighbors(v) | self.neighbors(u)) - 2 <= LARGEST_VALENCE else None

    def _stays_sound(self, i: int, v: int, u: int) -> bool:
        """Whether face i neither turns over nor becomes a sliver when its corner v moves to u."""
        face = self.faces[i]
        a, b, c = self.points[list(face)]
        p, q, r = (self.points[u] if x == v else self.points[x] for x in face)
        before = np.cross(b - a, c - a)
        after = np.cross(q - p, r - p)
        area_before = np.linalg.norm(before)
        area = np.linalg.norm(after)
        if area < 1e-9 or before @ after < LARGEST_TURN * area_before * area:
            return False
        longest = max(((p - q) ** 2).sum(), ((q - r) ** 2).sum(), ((r - p) ** 2).sum())
        return bool(area / longest >= SMALLEST_SHAPE)

    def _merge(self, v: int, u: int, moves: Mapping[int, int]) -> None:
        for i in list(self._around[v]):
            face = self.faces[i]
            if u in face:
                for x in face:
                    self._around[x].discard(i)
                del self.faces[i], self.corners[i]
            else:
                k = face.index(v)
                corner = self.corners[i]
                self.faces[i] = (*face[:k], u, *face[k + 1 :])
                self.corners[i] = (*corner[:k], moves[corner[k]], *corner[k + 1 :])
                self._around[u].add(i)
        self._quadrics[u] = self._quadrics[u] + self._quadrics[v]
        self.alive.discard(v)
        self.boundary.discard(v)
        del self._around[v]
        self._stamps[v] += 1
        for x in self.neighbors(u) | {u}:
            self._stamps[x] += 1
            self._push(x)
