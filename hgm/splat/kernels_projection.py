"""Projection and its gradient as numba kernels: what `hgm.splat.projection` says, one Gaussian
after the other, in float32.

Triples of numbers are tuples: columns of a matrix, rows of the camera, points.
"""

from __future__ import annotations

import math

import numpy as np

from hgm.splat.jit import (
    ALPHA_MIN,
    BLOCK,
    BLUR,
    LARGEST,
    MARGIN,
    SHORTEST,
    SLACK,
    TALL,
    WIDE,
    careful,
    compiled,
    f32,
    inlined,
)

HUGE = f32(1e37)  # a determinant that large means numbers beyond any scene


@inlined
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@inlined
def mix(x, a, y, b):
    return x * a[0] + y * b[0], x * a[1] + y * b[1], x * a[2] + y * b[2]


@inlined
def row(M, i):
    return M[i, 0], M[i, 1], M[i, 2]


@inlined
def rotation(w, x, y, z):
    """The columns of the rotation of a unit quaternion."""
    one = f32(1)
    two = f32(2)
    return (
        (one - two * (y * y + z * z), two * (x * y + w * z), two * (x * z - w * y)),
        (two * (x * y - w * z), one - two * (x * x + z * z), two * (y * z + w * x)),
        (two * (x * z + w * y), two * (y * z - w * x), one - two * (x * x + y * y)),
    )


@inlined
def pinhole(K, size, axis):
    """Focal length, principal point and the range of x/z in which the Jacobian is taken, of one
    image axis."""
    f = K[axis, axis]
    c = K[axis, 2]
    side = f32(size)
    return f, c, -c / f - MARGIN * side / f, (side - c) / f + MARGIN * side / f


@inlined
def seen_along(camera_row, forward, tangent, axes):
    """One row of J R (without f / z), and its products with the three axes of the Gaussian."""
    r = mix(f32(1), camera_row, -tangent, forward)
    return r, (dot(r, row(axes, 0)), dot(r, row(axes, 1)), dot(r, row(axes, 2)))


@careful
def orient(s, means, quats, scales, opacities, colors, axes, reach):
    """Scene s: axes [S, N, 3, 3] <- the columns of R(q) diag(scale); reach [S, N] <- how many
    sigmas away alpha has fallen to ALPHA_MIN, 0 for a Gaussian that is not drawn."""
    for g in range(means.shape[1]):
        reach[s, g] = 0
        o = opacities[s, g]
        fine = ALPHA_MIN <= o <= LARGEST  # false for NaN, like every comparison below
        for i in range(3):
            fine = fine and abs(means[s, g, i]) <= LARGEST and abs(scales[s, g, i]) <= LARGEST
            fine = fine and abs(colors[s, g, i]) <= LARGEST
        w = quats[s, g, 0]
        x = quats[s, g, 1]
        y = quats[s, g, 2]
        z = quats[s, g, 3]
        fine = (
            fine
            and abs(w) <= LARGEST
            and abs(x) <= LARGEST
            and abs(y) <= LARGEST
            and abs(z) <= LARGEST
        )
        length2 = w * w + x * x + y * y + z * z
        if not (fine and length2 > SHORTEST):
            continue
        reach[s, g] = math.sqrt(f32(2) * math.log(o / ALPHA_MIN))
        n = f32(1) / math.sqrt(length2)
        R = rotation(w * n, x * n, y * n, z * n)
        for i in range(3):
            axes[s, g, 0, i] = R[0][i] * scales[s, g, 0]
            axes[s, g, 1, i] = R[1][i] * scales[s, g, 1]
            axes[s, g, 2, i] = R[2][i] * scales[s, g, 2]


@careful
def project(
    v,
    s,
    near,
    width,
    height,
    K,
    w2c,
    means,
    axes,
    reach,
    opacities,
    colors,
    splats,
    boxes,
    first,
    start,
    compensations,
):
    """View v of scene s: fills splats [V, N, SPLAT], boxes [V, N, 4] (x0, x1, y0, y1 in pixels,
    ends exclusive) and counts: first [V, N + 1], the number of hits of the splats before, and start
    [V, tiles + 1], that of the tiles before.

    compensations [V, N] <- by what the opacity is multiplied in antialiased mode; None in classic
    mode, which numba compiles to a kernel of its own.
    """
    columns = (width + WIDE - 1) // WIDE
    fx, cx, ulow, uhigh = pinhole(K[v], width, 0)
    fy, cy, vlow, vhigh = pinhole(K[v], height, 1)
    right = row(w2c[v], 0)
    down = row(w2c[v], 1)
    forward = row(w2c[v], 2)
    first[v, 0] = 0
    start[v, :] = 0
    for g in range(means.shape[1]):
        first[v, g + 1] = first[v, g]
        if reach[s, g] <= 0:
            continue
        point = row(means[s], g)
        z = dot(forward, point) + w2c[v, 2, 3]
        if z < near:
            continue
        iz = f32(1) / z
        u = (dot(right, point) + w2c[v, 0, 3]) * iz
        w = (dot(down, point) + w2c[v, 1, 3]) * iz
        _, p = seen_along(right, forward, min(max(u, ulow), uhigh), axes[s, g])
        _, q = seen_along(down, forward, min(max(w, vlow), vhigh), axes[s, g])
        kx = fx * iz
        ky = fy * iz
        pp = kx * kx * dot(p, p)
        pq = kx * ky * dot(p, q)
        qq = ky * ky * dot(q, q)
        n = cross(p, q)
        det = kx * kx * ky * ky * dot(n, n) + BLUR * (pp + qq) + BLUR * BLUR
        if not det < HUGE:
            continue
        opacity = opacities[s, g]
        sigmas = reach[s, g]
        if compensations is not None:
            compensations[v, g] = kx * ky * math.sqrt(dot(n, n) / det)
            opacity *= compensations[v, g]
            if not opacity >= ALPHA_MIN:
                continue
            sigmas = math.sqrt(f32(2) * math.log(opacity / ALPHA_MIN))
        mx = fx * u + cx
        my = fy * w + cy
        rx = sigmas * math.sqrt(pp + BLUR) + SLACK
        ry = sigmas * math.sqrt(qq + BLUR) + SLACK
        # pixel centers inside [m - r, m + r]; clamped as floats, because huge floats do not fit an
        # integer
        x0 = math.ceil(min(max(mx - rx - f32(0.5), f32(0)), f32(width)))
        x1 = math.floor(min(max(mx + rx + f32(0.5), f32(0)), f32(width)))
        y0 = math.ceil(min(max(my - ry - f32(0.5), f32(0)), f32(height)))
        y1 = math.floor(min(max(my + ry + f32(0.5), f32(0)), f32(height)))
        if x1 <= x0 or y1 <= y0:
            continue
        b = boxes[v, g]
        b[0] = x0
        b[1] = x1
        b[2] = y0
        b[3] = y1
        d = splats[v, g]
        i = f32(1) / det
        d[0] = mx
        d[1] = my
        d[2] = (qq + BLUR) * i
        d[3] = -pq * i
        d[4] = (pp + BLUR) * i
        d[5] = opacity
        d[6] = colors[s, g, 0]
        d[7] = colors[s, g, 1]
        d[8] = colors[s, g, 2]
        d[9] = z
        for ty in range(y0 // TALL, (y1 - 1) // TALL + 1):
            for tx in range(x0 // WIDE, (x1 - 1) // WIDE + 1):
                start[v, ty * columns + tx + 1] += 1
                first[v, g + 1] += 1
    for t in range(start.shape[1] - 1):
        start[v, t + 1] += start[v, t]


@compiled
def unproject(
    s,
    cameras,
    g0,
    g1,
    width,
    height,
    K,
    w2c,
    means,
    quats,
    scales,
    axes,
    splats,
    first,
    offsets,
    hits,
    grads,
    compensations,
    camera_grads,
):
    """Gaussians g0 ... g1 of scene s: grads [S, N, PARAMETERS] <- the chain rule through `project`
    and `orient`, summed over the hits and over the scene's cameras in a fixed order.

    camera_grads [V, blocks, CAMERA] float64 += what each of the scene's cameras gets, summed apart
    for every BLOCK Gaussians, so that the order is fixed too. It is None where no camera needs it,
    and compensations [V, N] in classic mode: numba compiles these to kernels without that work.
    """
    h = np.empty(hits.shape[1], np.float32)
    E = np.empty((3, 3), np.float32)  # gradient of the columns of R diag(scale), then of R
    for g in range(g0, g1):
        G = grads[s, g]
        G[:] = 0
        E[:] = 0
        point = row(means[s], g)
        m = axes[s, g]
        seen = False
        for v in range(s * cameras, (s + 1) * cameras):
            low = offsets[v] + first[v, g]
            high = offsets[v] + first[v, g + 1]
            if high == low:
                continue
            seen = True
            h[:] = 0
            for k in range(low, high):
                for i in range(len(h)):
                    h[i] += hits[k, i]
            d = splats[v, g]
            if compensations is not None:
                pull = h[5] * d[5]  # gradient of the compensation, times it
                h[5] *= compensations[v, g]
            for i in range(4):
                G[10 + i] += h[5 + i]  # opacity, color
            fx, _, ulow, uhigh = pinhole(K[v], width, 0)
            fy, _, vlow, vhigh = pinhole(K[v], height, 1)
            right = row(w2c[v], 0)
            down = row(w2c[v], 1)
            forward = row(w2c[v], 2)
            iz = f32(1) / d[9]
            u = (dot(right, point) + w2c[v, 0, 3]) * iz
            w = (dot(down, point) + w2c[v, 1, 3]) * iz
            a, p = seen_along(right, forward, min(max(u, ulow), uhigh), m)
            b, q = seen_along(down, forward, min(max(w, vlow), vhigh), m)
            kx = fx * iz
            ky = fy * iz
            # conic Q = cov^-1: dL/dcov = -Q dL/dQ Q, with half of the mixed term on either side of
            # the diagonal
            A = d[2]
            B = d[3]
            C = d[4]
            half = f32(0.5) * h[3]
            g00 = A * h[2] + B * half
            g01 = A * half + B * h[4]
            g10 = B * h[2] + C * half
            g11 = B * half + C * h[4]
            dxx = -(g00 * A + g01 * B)
            dxy = -f32(2) * (g00 * B + g01 * C)
            dyy = -(g10 * B + g11 * C)
            if compensations is not None:  # kx ky |p x q| / sqrt(det): the part of det = det cov
                dxx -= f32(0.5) * pull * A
                dxy -= pull * B
                dyy -= f32(0.5) * pull * C
            dp = mix(f32(2) * dxx * kx * kx, p, dxy * kx * ky, q)
            dq = mix(dxy * kx * ky, p, f32(2) * dyy * ky * ky, q)
            if compensations is not None:  # and that of |p x q|
                n = cross(p, q)
                along_n = pull / dot(n, n)
                dp = mix(f32(1), dp, along_n, cross(q, n))
                dq = mix(f32(1), dq, along_n, cross(n, p))
            for i in range(3):
                for j in range(3):
                    E[i, j] += a[j] * dp[i] + b[j] * dq[i]
            da = mix(f32(1), mix(dp[0], row(m, 0), dp[1], row(m, 1)), dp[2], row(m, 2))
            db = mix(f32(1), mix(dq[0], row(m, 0), dq[1], row(m, 1)), dq[2], row(m, 2))
            # p and q are homogeneous in 1 / z: sum of what kx and ky get, times z
            scale = dot(dp, p) + dot(dq, q)
            du = fx * h[0]
            dw = fy * h[1]
            if ulow <= u <= uhigh:
                du -= dot(forward, da)
            if vlow <= w <= vhigh:
                dw -= dot(forward, db)
            dx = du * iz
            dy = dw * iz  # camera space
            dz = h[9] - (du * u + dw * w + scale) * iz
            for i in range(3):
                G[i] += right[i] * dx + down[i] * dy + forward[i] * dz
            if camera_grads is not None:
                P = camera_grads[v, g // BLOCK]
                ut = min(max(u, ulow), uhigh)
                wt = min(max(w, vlow), vhigh)
                for i in range(3):
                    P[i] += point[i] * dx + da[i]
                    P[4 + i] += point[i] * dy + db[i]
                    P[8 + i] += point[i] * dz - ut * da[i] - wt * db[i]
                P[3] += dx
                P[7] += dy
                P[11] += dz
                # at its border the tangent in the Jacobian is that of K: (x - c) / f
                edge_u = f32(0) if ulow <= u <= uhigh else dot(forward, da) / fx
                edge_w = f32(0) if vlow <= w <= vhigh else dot(forward, db) / fy
                P[12] += h[0] * u + dot(dp, p) / fx + edge_u * ut
                P[13] += h[0] + edge_u
                P[14] += h[1] * w + dot(dq, q) / fy + edge_w * wt
                P[15] += h[1] + edge_w
        if not seen:
            continue
        w = quats[s, g, 0]
        x = quats[s, g, 1]
        y = quats[s, g, 2]
        z = quats[s, g, 3]
        n = f32(1) / math.sqrt(w * w + x * x + y * y + z * z)
        w = w * n
        x = x * n
        y = y * n
        z = z * n
        R = rotation(w, x, y, z)
        G[7] = dot(row(E, 0), R[0])
        G[8] = dot(row(E, 1), R[1])
        G[9] = dot(row(E, 2), R[2])
        for i in range(3):
            for j in range(3):
                E[i, j] *= scales[s, g, i]
        two = f32(2)
        ew = two * (x * (E[1, 2] - E[2, 1]) + y * (E[2, 0] - E[0, 2]) + z * (E[0, 1] - E[1, 0]))
        ex = two * (
            w * (E[1, 2] - E[2, 1])
            + y * (E[1, 0] + E[0, 1])
            + z * (E[2, 0] + E[0, 2])
            - two * x * (E[1, 1] + E[2, 2])
        )
        ey = two * (
            w * (E[2, 0] - E[0, 2])
            + x * (E[1, 0] + E[0, 1])
            + z * (E[2, 1] + E[1, 2])
            - two * y * (E[0, 0] + E[2, 2])
        )
        ez = two * (
            w * (E[0, 1] - E[1, 0])
            + x * (E[2, 0] + E[0, 2])
            + y * (E[2, 1] + E[1, 2])
            - two * z * (E[0, 0] + E[1, 1])
        )
        along = ew * w + ex * x + ey * y + ez * z
        G[3] = (ew - along * w) * n
        G[4] = (ex - along * x) * n
        G[5] = (ey - along * y) * n
        G[6] = (ez - along * z) * n
