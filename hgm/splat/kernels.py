"""The numba kernels of the compiled backend: float32, without the GIL, without allocation that grows with pixels x Gaussians.

A picture is cut into tiles whose rows are one vector register wide. Of a tile, a splat touches the pixels from the first to
the last row of its bounding box; they lie one after the other, so the loop over them is a single branch-free vector loop.

Backward walks the splats front to back once more, from dL/dalpha_i = T_i f_i - behind_i / (1 - alpha_i): f_i is what splat i
would add to the loss at full weight, and behind_i, the sum of w_j f_j over the splats behind it, is the pixel's total minus
what has been passed. So only the image is kept, T is never divided, and both directions take the same decisions.

Every kernel works on one view, one scene or one range, and writes to its own part of its output: any number of threads gives
the same bits. A (splat, tile) pair is called a hit.
"""

from __future__ import annotations

import math
import os
import stat
import tempfile
from pathlib import Path

import numba
import numpy as np

from hgm.splat import constants

WIDE, TALL = 8, 16  # pixels of a tile
AREA = WIDE * TALL
CHECK = 31  # a tile looks every 32 hits whether rows are finished
SPLAT = 10  # numbers of a splat: mean x y, conic xx xy yy, opacity, r g b, depth
HIT = 10  # gradients of a hit, in the same order
PARAMETERS = 14  # gradients of a Gaussian: mean 3, quaternion 4, scale 3, opacity, colour 3


def _cache_folder() -> None:
    """Give numba a private folder for compiled code where neither the package nor the home folder can be written."""
    beside = Path(__file__).parent / "__pycache__"
    if numba.config.CACHE_DIR or os.access(beside if beside.exists() else beside.parent, os.W_OK):
        return
    folder = Path(tempfile.gettempdir()) / f"hgm-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077 or not stat.S_ISDIR(status.st_mode):
        folder = Path(tempfile.mkdtemp(prefix="hgm-numba-"))  # never load code that someone else may have put there
    os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = str(folder)


_cache_folder()
FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}
compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
careful = numba.njit(nogil=True, cache=True, error_model="numpy")  # where NaN and infinity have to be seen
inlined = numba.njit(inline="always")

f32 = np.float32
BLUR, MARGIN = f32(constants.BLUR), f32(constants.MARGIN)
ALPHA_MAX, ALPHA_MIN, T_MIN = f32(constants.ALPHA_MAX), f32(constants.ALPHA_MIN), f32(constants.T_MIN)
LARGEST, SHORTEST, SLACK = f32(constants.LARGEST), f32(constants.SHORTEST), f32(constants.SLACK)
HUGE = f32(1e37)

# exp(-s) on [0, S_MAX] as p(s / 8)^8 with p of degree 6: 5e-7 relative, and no call that would keep the loops scalar.
S_MAX = f32(5.6)  # more than ln 255: beyond it alpha is under ALPHA_MIN
_nodes = (1 + np.cos((np.arange(400) + 0.5) * np.pi / 400)) * float(S_MAX) / 16
E0, E1, E2, E3, E4, E5, E6 = np.polynomial.Polynomial.fit(_nodes, np.exp(-_nodes), 6).convert().coef.astype(f32)


@inlined
def exp_neg(s):
    x = min(max(s, f32(0)), S_MAX) * f32(0.125)
    p = E0 + x * (E1 + x * (E2 + x * (E3 + x * (E4 + x * (E5 + x * E6)))))
    p = p * p
    p = p * p
    return p * p


@careful
def orient(s, means, quats, scales, opacities, colors, axes, reach):
    """Scene s: axes [S, N, 9] <- R(q) diag(scale), rows first; reach [S, N] <- sigmas to alpha = ALPHA_MIN, 0: not drawn."""
    for g in range(means.shape[1]):
        reach[s, g] = 0
        o = opacities[s, g]
        fine = ALPHA_MIN <= o <= LARGEST
        for i in range(3):
            fine = fine and abs(means[s, g, i]) <= LARGEST and abs(scales[s, g, i]) <= LARGEST
            fine = fine and abs(colors[s, g, i]) <= LARGEST
        w, x, y, z = quats[s, g, 0], quats[s, g, 1], quats[s, g, 2], quats[s, g, 3]
        fine = fine and abs(w) <= LARGEST and abs(x) <= LARGEST and abs(y) <= LARGEST and abs(z) <= LARGEST
        length2 = w * w + x * x + y * y + z * z
        if not (fine and length2 > SHORTEST):
            continue
        reach[s, g] = math.sqrt(f32(2) * math.log(o / ALPHA_MIN))
        n = f32(1) / math.sqrt(length2)
        w, x, y, z = w * n, x * n, y * n, z * n
        a, b, c = scales[s, g, 0], scales[s, g, 1], scales[s, g, 2]
        m = axes[s, g]
        m[0], m[1], m[2] = (f32(1) - f32(2) * (y * y + z * z)) * a, f32(2) * (x * y - w * z) * b, f32(2) * (x * z + w * y) * c
        m[3], m[4], m[5] = f32(2) * (x * y + w * z) * a, (f32(1) - f32(2) * (x * x + z * z)) * b, f32(2) * (y * z - w * x) * c
        m[6], m[7], m[8] = f32(2) * (x * z - w * y) * a, f32(2) * (y * z + w * x) * b, (f32(1) - f32(2) * (x * x + y * y)) * c


@inlined
def pinhole(K, size, axis):
    """Focal length, principal point and the range of x/z in which the Jacobian is taken, of one image axis."""
    f, c = K[axis, axis], K[axis, 2]
    side = f32(size)
    return f, c, -c / f - MARGIN * side / f, (side - c) / f + MARGIN * side / f


@careful
def project(v, s, near, width, height, K, pose, means, axes, reach, opacities, colors, splats, boxes, first, start):
    """View v of scene s: fills splats [V, N, SPLAT], boxes [V, N, 4] (x0, x1, y0, y1 in pixels, ends exclusive) and counts:
    first [V, N + 1], the number of hits of the splats before, and start [V, tiles + 1], that of the tiles before."""
    columns = (width + WIDE - 1) // WIDE
    fx, cx, ulow, uhigh = pinhole(K[v], width, 0)
    fy, cy, vlow, vhigh = pinhole(K[v], height, 1)
    E = pose[v]
    first[v, 0] = 0
    start[v, :] = 0
    for g in range(means.shape[1]):
        first[v, g + 1] = first[v, g]
        if reach[s, g] <= 0:
            continue
        X, Y, Z = means[s, g, 0], means[s, g, 1], means[s, g, 2]
        z = E[2, 0] * X + E[2, 1] * Y + E[2, 2] * Z + E[2, 3]
        if z < near:
            continue
        iz = f32(1) / z
        u = (E[0, 0] * X + E[0, 1] * Y + E[0, 2] * Z + E[0, 3]) * iz
        w = (E[1, 0] * X + E[1, 1] * Y + E[1, 2] * Z + E[1, 3]) * iz
        uc, wc = min(max(u, ulow), uhigh), min(max(w, vlow), vhigh)
        kx, ky = fx * iz, fy * iz
        a0, a1, a2 = kx * (E[0, 0] - uc * E[2, 0]), kx * (E[0, 1] - uc * E[2, 1]), kx * (E[0, 2] - uc * E[2, 2])  # J R, row x
        b0, b1, b2 = ky * (E[1, 0] - wc * E[2, 0]), ky * (E[1, 1] - wc * E[2, 1]), ky * (E[1, 2] - wc * E[2, 2])  # row y
        m = axes[s, g]
        p0, p1, p2 = a0 * m[0] + a1 * m[3] + a2 * m[6], a0 * m[1] + a1 * m[4] + a2 * m[7], a0 * m[2] + a1 * m[5] + a2 * m[8]
        q0, q1, q2 = b0 * m[0] + b1 * m[3] + b2 * m[6], b0 * m[1] + b1 * m[4] + b2 * m[7], b0 * m[2] + b1 * m[5] + b2 * m[8]
        pp, pq, qq = p0 * p0 + p1 * p1 + p2 * p2, p0 * q0 + p1 * q1 + p2 * q2, q0 * q0 + q1 * q1 + q2 * q2
        r0, r1, r2 = p1 * q2 - p2 * q1, p2 * q0 - p0 * q2, p0 * q1 - p1 * q0
        det = r0 * r0 + r1 * r1 + r2 * r2 + BLUR * (pp + qq) + BLUR * BLUR
        if not det < HUGE:
            continue
        mx, my = fx * u + cx, fy * w + cy
        rx, ry = reach[s, g] * math.sqrt(pp + BLUR) + SLACK, reach[s, g] * math.sqrt(qq + BLUR) + SLACK
        # pixel centres inside [m - r, m + r]; clamped as floats, because huge floats do not fit an integer
        x0 = int(math.ceil(min(max(mx - rx - f32(0.5), f32(0)), f32(width))))
        x1 = int(math.floor(min(max(mx + rx + f32(0.5), f32(0)), f32(width))))
        y0 = int(math.ceil(min(max(my - ry - f32(0.5), f32(0)), f32(height))))
        y1 = int(math.floor(min(max(my + ry + f32(0.5), f32(0)), f32(height))))
        if x1 <= x0 or y1 <= y0:
            continue
        b = boxes[v, g]
        b[0], b[1], b[2], b[3] = x0, x1, y0, y1
        d = splats[v, g]
        i = f32(1) / det
        d[0], d[1], d[2], d[3], d[4], d[5] = mx, my, (qq + BLUR) * i, -pq * i, (pp + BLUR) * i, opacities[s, g]
        d[6], d[7], d[8], d[9] = colors[s, g, 0], colors[s, g, 1], colors[s, g, 2], z
        for ty in range(y0 // TALL, (y1 - 1) // TALL + 1):
            for tx in range(x0 // WIDE, (x1 - 1) // WIDE + 1):
                start[v, ty * columns + tx + 1] += 1
                first[v, g + 1] += 1
    for t in range(start.shape[1] - 1):
        start[v, t + 1] += start[v, t]


@compiled
def bin_hits(v, offset, width, splats, boxes, first, start, ids, slots):
    """View v: ids and slots [all hits] from `offset` on <- by tile, then depth, then index: the splat of each hit, and the
    hit's place among all hits when those are sorted by splat."""
    columns = (width + WIDE - 1) // WIDE
    N = splats.shape[1]
    order, other = np.empty(N, np.int32), np.empty(N, np.int32)
    keys, other_keys = np.empty(N, np.uint32), np.empty(N, np.uint32)
    depth = splats[v, :, 9].copy().view(np.uint32)  # positive floats sort like their bits
    n = 0
    for g in range(N):
        if first[v, g + 1] > first[v, g]:
            order[n], keys[n] = g, depth[g]
            n += 1
    for shift in (0, 11, 22):  # radix sort, stable
        place = np.zeros(2049, np.int32)
        for i in range(n):
            place[((keys[i] >> np.uint32(shift)) & np.uint32(2047)) + np.uint32(1)] += 1
        for i in range(2048):
            place[i + 1] += place[i]
        for i in range(n):
            digit = (keys[i] >> np.uint32(shift)) & np.uint32(2047)
            at = place[digit]
            place[digit] = at + 1
            other[at], other_keys[at] = order[i], keys[i]
        order, other = other, order
        keys, other_keys = other_keys, keys
    here = start[v].copy()
    for i in range(n):
        g = order[i]
        b = boxes[v, g]
        slot = offset + first[v, g]
        for ty in range(b[2] // TALL, (b[3] - 1) // TALL + 1):
            for tx in range(b[0] // WIDE, (b[1] - 1) // WIDE + 1):
                at = here[ty * columns + tx]
                here[ty * columns + tx] = at + 1
                ids[offset + at], slots[offset + at] = g, slot
                slot += 1


@inlined
def finished(tile):
    """True when no pixel of the tile is live."""
    live = 0
    for p in range(AREA):
        live += 1 if tile[0, p] > 0 else 0
    return live == 0


@inlined
def clear(tile):
    """Plane 0 (transmittance) 1, the last two the pixel centres relative to the tile, all others 0."""
    for p in range(AREA):
        tile[0, p] = 1
        tile[tile.shape[0] - 2, p] = f32(p % WIDE) + f32(0.5)
        tile[tile.shape[0] - 1, p] = f32(p // WIDE) + f32(0.5)
    for c in range(1, tile.shape[0] - 2):
        for p in range(AREA):
            tile[c, p] = 0


@inlined
def rows(box, top):
    """The pixels of a tile from the first to the last row of a bounding box; unsigned, or indexing would not vectorise."""
    return np.uint64(max(0, box[2] - top) * WIDE), np.uint64(min(TALL, box[3] - top) * WIDE)


@compiled
def blend(v, t0, t1, offset, splats, boxes, start, ids, background, rgb, alpha, depth):
    """Tiles t0 ... t1 of view v: rgb [V, 3, H, W] over the background, alpha and expected depth [V, 1, H, W]."""
    height, width = rgb.shape[2], rgb.shape[3]
    columns = (width + WIDE - 1) // WIDE
    tile = np.empty((7, AREA), np.float32)  # T (negative: finished), r, g, b, depth, pixel x, y
    for t in range(t0, t1):
        clear(tile)
        left, top = (t % columns) * WIDE, (t // columns) * TALL
        for k in range(start[v, t], start[v, t + 1]):
            g = ids[offset + k]
            d = splats[v, g]
            A, B, C, o = f32(0.5) * d[2], d[3], f32(0.5) * d[4], d[5]
            f0, f1, f2, f3 = d[6], d[7], d[8], d[9]
            mx, my = d[0] - f32(left), d[1] - f32(top)
            low, high = rows(boxes[v, g], top)
            for p in range(low, high):
                dx, dy = mx - tile[5, p], my - tile[6, p]
                power = (A * dx + B * dy) * dx + C * dy * dy
                a = min(ALPHA_MAX, o * exp_neg(power))
                a = a if (a >= ALPHA_MIN) & (power < S_MAX) else f32(0)
                now = tile[0, p]
                after = now * (f32(1) - a)
                live = after > T_MIN
                w = a * now if live else f32(0)
                tile[0, p] = after if live else -abs(now)
                tile[1, p] += w * f0
                tile[2, p] += w * f1
                tile[3, p] += w * f2
                tile[4, p] += w * f3
            if (k & CHECK) == CHECK and finished(tile):
                break
        wide = min(WIDE, width - left)
        for y in range(min(TALL, height - top)):
            for x in range(wide):
                covered = f32(1) - abs(tile[0, y * WIDE + x])
                alpha[v, 0, top + y, left + x] = covered
                depth[v, 0, top + y, left + x] = tile[4, y * WIDE + x] / covered if covered > 0 else f32(0)
            for i in range(3):
                for x in range(wide):
                    p = y * WIDE + x
                    rgb[v, i, top + y, left + x] = tile[1 + i, p] + abs(tile[0, p]) * background[i]


@compiled
def blend_backward(v, t0, t1, offset, splats, boxes, start, ids, slots, background, rgb, alpha, depth, d_rgb, d_alpha, d_depth,
                   hits):
    """Tiles t0 ... t1 of view v: hits [all hits, HIT] <- gradients of mean 2, conic 3, opacity, colour 3, depth."""
    height, width = rgb.shape[2], rgb.shape[3]
    columns = (width + WIDE - 1) // WIDE
    tile = np.empty((9, AREA), np.float32)  # T, behind, gradients of the sums: r, g, b, depth, weight; pixel x, y
    for t in range(t0, t1):
        clear(tile)
        left, top = (t % columns) * WIDE, (t // columns) * TALL
        wide = min(WIDE, width - left)
        for y in range(min(TALL, height - top)):
            for x in range(wide):
                p = y * WIDE + x
                covered = alpha[v, 0, top + y, left + x]
                per_z = d_depth[v, 0, top + y, left + x] / covered if covered > 0 else f32(0)
                z = depth[v, 0, top + y, left + x] * per_z
                weight = d_alpha[v, 0, top + y, left + x] - z
                tile[5, p], tile[6, p] = per_z, weight
                tile[1, p] = covered * (z + weight)
            for c in range(3):
                for x in range(wide):
                    p = y * WIDE + x
                    d = d_rgb[v, c, top + y, left + x]
                    tile[2 + c, p] = d
                    tile[6, p] -= d * background[c]
                    tile[1, p] += d * (rgb[v, c, top + y, left + x] - background[c])
        for k in range(start[v, t], start[v, t + 1]):
            g = ids[offset + k]
            d = splats[v, g]
            A, B, C, o = f32(0.5) * d[2], d[3], f32(0.5) * d[4], d[5]
            f0, f1, f2, f3 = d[6], d[7], d[8], d[9]
            mx, my = d[0] - f32(left), d[1] - f32(top)
            e0 = ex = ey = exx = exy = eyy = f32(0)  # sums of e = dL/dpower times powers of dx, dy
            w0 = w1 = w2 = w3 = f32(0)
            low, high = rows(boxes[v, g], top)
            for p in range(low, high):
                dx, dy = mx - tile[7, p], my - tile[8, p]
                power = (A * dx + B * dy) * dx + C * dy * dy
                free = o * exp_neg(power)
                a = min(ALPHA_MAX, free)
                a = a if (a >= ALPHA_MIN) & (power < S_MAX) else f32(0)
                now = tile[0, p]
                after = now * (f32(1) - a)
                live = after > T_MIN
                w = a * now if live else f32(0)
                tile[0, p] = after if live else -abs(now)
                v0, v1, v2, v3 = tile[2, p], tile[3, p], tile[4, p], tile[5, p]
                f = f0 * v0 + f1 * v1 + f2 * v2 + f3 * v3 + tile[6, p]
                rest = tile[1, p] - w * f
                tile[1, p] = rest
                e = a * (rest / (f32(1) - a) - now * f)
                e = e if live & (free <= ALPHA_MAX) else f32(0)
                e_dx, e_dy = e * dx, e * dy
                e0 += e
                ex += e_dx
                ey += e_dy
                exx += e_dx * dx
                exy += e_dx * dy
                eyy += e_dy * dy
                w0 += w * v0
                w1 += w * v1
                w2 += w * v2
                w3 += w * v3
            h = hits[slots[offset + k]]
            h[0], h[1] = d[2] * ex + d[3] * ey, d[3] * ex + d[4] * ey
            h[2], h[3], h[4], h[5] = f32(0.5) * exx, exy, f32(0.5) * eyy, -e0 / o
            h[6], h[7], h[8], h[9] = w0, w1, w2, w3
            if (k & CHECK) == CHECK and finished(tile):
                break


@compiled
def unproject(s, cameras, g0, g1, width, height, K, pose, means, quats, scales, axes, splats, first, offsets, hits, grads):
    """Gaussians g0 ... g1 of scene s: grads [S, N, PARAMETERS] <- the chain rule through `project` and `orient`, summed over
    the hits and over the scene's cameras in a fixed order."""
    for g in range(g0, g1):
        G = grads[s, g]
        G[:] = 0
        n00 = n01 = n02 = n10 = n11 = n12 = n20 = n21 = n22 = f32(0)  # gradient of the axes
        X, Y, Z = means[s, g, 0], means[s, g, 1], means[s, g, 2]
        m = axes[s, g]
        seen = False
        for v in range(s * cameras, (s + 1) * cameras):
            low, high = offsets[v] + first[v, g], offsets[v] + first[v, g + 1]
            if high == low:
                continue
            seen = True
            h0 = h1 = h2 = h3 = h4 = h5 = h6 = h7 = h8 = h9 = f32(0)
            for k in range(low, high):
                h = hits[k]
                h0 += h[0]
                h1 += h[1]
                h2 += h[2]
                h3 += h[3]
                h4 += h[4]
                h5 += h[5]
                h6 += h[6]
                h7 += h[7]
                h8 += h[8]
                h9 += h[9]
            G[10] += h5
            G[11] += h6
            G[12] += h7
            G[13] += h8
            fx, cx, ulow, uhigh = pinhole(K[v], width, 0)
            fy, cy, vlow, vhigh = pinhole(K[v], height, 1)
            E = pose[v]
            d = splats[v, g]
            iz = f32(1) / d[9]
            u = (E[0, 0] * X + E[0, 1] * Y + E[0, 2] * Z + E[0, 3]) * iz
            w = (E[1, 0] * X + E[1, 1] * Y + E[1, 2] * Z + E[1, 3]) * iz
            uc, wc = min(max(u, ulow), uhigh), min(max(w, vlow), vhigh)
            kx, ky = fx * iz, fy * iz
            r0, r1, r2 = E[0, 0] - uc * E[2, 0], E[0, 1] - uc * E[2, 1], E[0, 2] - uc * E[2, 2]
            t0, t1, t2 = E[1, 0] - wc * E[2, 0], E[1, 1] - wc * E[2, 1], E[1, 2] - wc * E[2, 2]
            a0, a1, a2, b0, b1, b2 = kx * r0, kx * r1, kx * r2, ky * t0, ky * t1, ky * t2
            p0, p1, p2 = a0 * m[0] + a1 * m[3] + a2 * m[6], a0 * m[1] + a1 * m[4] + a2 * m[7], a0 * m[2] + a1 * m[5] + a2 * m[8]
            q0, q1, q2 = b0 * m[0] + b1 * m[3] + b2 * m[6], b0 * m[1] + b1 * m[4] + b2 * m[7], b0 * m[2] + b1 * m[5] + b2 * m[8]
            # conic Q = cov^-1: dL/dcov = -Q dL/dQ Q, with half of the mixed term on either side of the diagonal
            A, B, C, half = d[2], d[3], d[4], f32(0.5) * h3
            g00, g01 = A * h2 + B * half, A * half + B * h4
            g10, g11 = B * h2 + C * half, B * half + C * h4
            dpp, dpq, dqq = -(g00 * A + g01 * B), -f32(2) * (g00 * B + g01 * C), -(g10 * B + g11 * C)
            dp0, dp1, dp2 = f32(2) * dpp * p0 + dpq * q0, f32(2) * dpp * p1 + dpq * q1, f32(2) * dpp * p2 + dpq * q2
            dq0, dq1, dq2 = f32(2) * dqq * q0 + dpq * p0, f32(2) * dqq * q1 + dpq * p1, f32(2) * dqq * q2 + dpq * p2
            n00 += a0 * dp0 + b0 * dq0
            n01 += a0 * dp1 + b0 * dq1
            n02 += a0 * dp2 + b0 * dq2
            n10 += a1 * dp0 + b1 * dq0
            n11 += a1 * dp1 + b1 * dq1
            n12 += a1 * dp2 + b1 * dq2
            n20 += a2 * dp0 + b2 * dq0
            n21 += a2 * dp1 + b2 * dq1
            n22 += a2 * dp2 + b2 * dq2
            da0, da1, da2 = m[0] * dp0 + m[1] * dp1 + m[2] * dp2, m[3] * dp0 + m[4] * dp1 + m[5] * dp2, m[6] * dp0 + m[7] * dp1 + m[8] * dp2
            db0, db1, db2 = m[0] * dq0 + m[1] * dq1 + m[2] * dq2, m[3] * dq0 + m[4] * dq1 + m[5] * dq2, m[6] * dq0 + m[7] * dq1 + m[8] * dq2
            diz = fx * (r0 * da0 + r1 * da1 + r2 * da2) + fy * (t0 * db0 + t1 * db1 + t2 * db2)
            du, dw = fx * h0, fy * h1
            if ulow <= u <= uhigh:
                du -= kx * (E[2, 0] * da0 + E[2, 1] * da1 + E[2, 2] * da2)
            if vlow <= w <= vhigh:
                dw -= ky * (E[2, 0] * db0 + E[2, 1] * db1 + E[2, 2] * db2)
            dx, dy = du * iz, dw * iz  # camera space
            dz = h9 - (du * u + dw * w + diz * iz) * iz
            G[0] += E[0, 0] * dx + E[1, 0] * dy + E[2, 0] * dz
            G[1] += E[0, 1] * dx + E[1, 1] * dy + E[2, 1] * dz
            G[2] += E[0, 2] * dx + E[1, 2] * dy + E[2, 2] * dz
        if not seen:
            continue
        qw, qx, qy, qz = quats[s, g, 0], quats[s, g, 1], quats[s, g, 2], quats[s, g, 3]
        n = f32(1) / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        qw, qx, qy, qz = qw * n, qx * n, qy * n, qz * n
        R00, R01, R02 = f32(1) - f32(2) * (qy * qy + qz * qz), f32(2) * (qx * qy - qw * qz), f32(2) * (qx * qz + qw * qy)
        R10, R11, R12 = f32(2) * (qx * qy + qw * qz), f32(1) - f32(2) * (qx * qx + qz * qz), f32(2) * (qy * qz - qw * qx)
        R20, R21, R22 = f32(2) * (qx * qz - qw * qy), f32(2) * (qy * qz + qw * qx), f32(1) - f32(2) * (qx * qx + qy * qy)
        G[7] = R00 * n00 + R10 * n10 + R20 * n20
        G[8] = R01 * n01 + R11 * n11 + R21 * n21
        G[9] = R02 * n02 + R12 * n12 + R22 * n22
        sa, sb, sc = scales[s, g, 0], scales[s, g, 1], scales[s, g, 2]
        n00, n10, n20 = n00 * sa, n10 * sa, n20 * sa  # from here on the gradient of R
        n01, n11, n21 = n01 * sb, n11 * sb, n21 * sb
        n02, n12, n22 = n02 * sc, n12 * sc, n22 * sc
        ew = f32(2) * (qx * (n21 - n12) + qy * (n02 - n20) + qz * (n10 - n01))
        ex = f32(2) * (qw * (n21 - n12) + qy * (n01 + n10) + qz * (n02 + n20) - f32(2) * qx * (n11 + n22))
        ey = f32(2) * (qw * (n02 - n20) + qx * (n01 + n10) + qz * (n12 + n21) - f32(2) * qy * (n00 + n22))
        ez = f32(2) * (qw * (n10 - n01) + qx * (n02 + n20) + qy * (n12 + n21) - f32(2) * qz * (n00 + n11))
        along = ew * qw + ex * qx + ey * qy + ez * qz
        G[3], G[4], G[5], G[6] = (ew - along * qw) * n, (ex - along * qx) * n, (ey - along * qy) * n, (ez - along * qz) * n
