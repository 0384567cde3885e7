"""Values on some cells of a box, spread over all others so smoothly that each is the mean of its
neighbors: a harmonic function, as heat settles between bodies that are kept at their temperatures.

So a body's skinning weights come to whatever lies around it, a skirt between two legs among them,
without a rule of where which part ends.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

log = logging.getLogger(__name__)
TOLERANCE = 1e-5  # of the residual, as a share of that at the start
STEPS = 2000  # of the solver, at most
COARSEST = 24  # cells along the longest edge, from where a start for finer grids comes


@dataclass(frozen=True)
class Box:
    """A box of cubic cells."""

    low: np.ndarray  # [3] its lowest corner
    cell: float  # edge of a cell, in the units of the corner
    shape: tuple[int, int, int]  # cells along x, y and z

    @classmethod
    def around(cls, points: np.ndarray, cells: int, margin: int = 3) -> Box:
        """With `cells` along the longest edge of points [N, 3], and some more on every side."""
        low, high = points.min(0), points.max(0)
        cell = float((high - low).max()) / cells
        counts = np.ceil((high - low) / cell).astype(int) + 2 * margin
        return cls(low - margin * cell, cell, (int(counts[0]), int(counts[1]), int(counts[2])))

    def cells(self, points: np.ndarray) -> np.ndarray:
        """The flat numbers [N] of the cells that hold points [N, 3] of the box."""
        at = np.floor((points - self.low) / self.cell).astype(np.int64)
        at = np.clip(at, 0, np.array(self.shape) - 1)
        return np.ravel_multi_index(tuple(at.T), self.shape)

    def mixing(self, points: np.ndarray) -> sp.csr_matrix:
        """The matrix [N, cells] that mixes values of the cells' centers at points [N, 3]."""
        at = (points - self.low) / self.cell - 0.5
        base = np.clip(np.floor(at).astype(np.int64), 0, np.array(self.shape) - 2)
        share = np.clip(at - base, 0, 1)
        corners = np.array(list(np.ndindex(2, 2, 2)))  # [8, 3]
        cells = np.moveaxis(base[:, None] + corners, -1, 0)  # [3, N, 8]
        weights = np.where(corners, share[:, None], 1 - share[:, None]).prod(-1)
        columns = np.ravel_multi_index(tuple(cells), self.shape).ravel()
        ends = np.arange(0, len(columns) + 1, len(corners))
        size = len(points), int(np.prod(self.shape))
        return sp.csr_matrix((weights.ravel(), columns, ends), shape=size)


def averaged(cells: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of values [N, C] in cells [N]: the cells that have any [K], and their means there [K, C]."""
    found, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    sums = np.zeros((len(found), values.shape[1]))
    np.add.at(sums, inverse, values)
    return found, sums / counts[:, None]


def harmonic(shape: tuple[int, int, int], fixed: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values float32 [cells, C] of all cells of a box, of which those of the cells `fixed` [K] are
    given [K, C]; nothing flows through the sides of the box.

    Each channel is solved alone by conjugate gradients, which begin at the solution of a box of
    half as many cells an edge.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    result = np.zeros((int(np.prod(shape)), values.shape[1]), np.float32)
    free = np.ones(len(result), bool)
    free[fixed] = False
    laplacian = _laplacian(shape)
    inner, outer = laplacian[free][:, free], laplacian[free][:, fixed]
    diagonal = inner.diagonal()
    jacobi = LinearOperator(inner.shape, matvec=lambda x: x / diagonal, dtype=np.float64)
    mixing, coarse = _coarser(shape, fixed, values, np.flatnonzero(free))
    result[fixed] = values
    for channel in range(values.shape[1]):
        given = values[:, channel]
        if np.ptp(given) == 0:
            result[free, channel] = given[0]
            continue
        x, left = cg(
            inner,
            -outer @ given,
            x0=None if coarse is None else mixing @ coarse[:, channel],
            rtol=TOLERANCE,
            maxiter=STEPS,
            M=jacobi,
        )
        if left:
            log.warning("channel %d did not settle within %d steps", channel, STEPS)
        result[free, channel] = x
    return result


def _coarser(
    shape: tuple[int, int, int], fixed: np.ndarray, values: np.ndarray, free: np.ndarray
) -> tuple[sp.csr_matrix | None, np.ndarray | None]:
    """The solution [cells, C] of a box of half as many cells an edge, and the matrix that makes of
    it a start in the cells `free`; None where that is too few."""
    if max(shape) < 2 * COARSEST:
        return None, None
    x, y, z = ((edge + 1) // 2 for edge in shape)
    half = (x, y, z)
    at = np.array(np.unravel_index(fixed, shape)) // 2
    cells, means = averaged(np.ravel_multi_index(tuple(at), half), values)
    centers = np.stack(np.unravel_index(free, shape), 1) + 0.5
    return Box(np.zeros(3), 2.0, half).mixing(centers), harmonic(half, cells, means)


def _laplacian(shape: tuple[int, int, int]) -> sp.csr_matrix:
    """For each cell the sum of the differences to its up to six neighbors."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    rows, columns = [], []
    for axis in range(3):
        before = np.moveaxis(numbers, axis, 0)[:-1].ravel()
        after = np.moveaxis(numbers, axis, 0)[1:].ravel()
        rows += [before, after]
        columns += [after, before]
    row, column = np.concatenate(rows), np.concatenate(columns)
    size = numbers.size
    near = sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(size, size))
    return (sp.diags(np.asarray(near.sum(1)).ravel()) - near).tocsr()
