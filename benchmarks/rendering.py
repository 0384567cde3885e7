"""Seconds a view of Cycles (anti-aliased color, depth and normals) against Open3D's ray caster
(one ray a pixel).

Both see the same mesh from the same cameras in the same run and take turns, so what else the
machine does strikes both. The second is what the geometry alone costs: the ratio says how far the
renderer is from that limit.

    python benchmarks/rendering.py data/THuman2.0 --scan 0000 --models data/models --size 512
    python benchmarks/rendering.py --size 256        # a ball with bumps instead of a scan
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.cameras import Cameras, orbit
from hgm.errors import InputError
from hgm.render.blender import Renderer
from hgm.scans.obj import ObjMesh
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles, locate


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, nargs="?", help="folder of a THuman2.0 data set")
    parser.add_argument("--scan", default="0000", help="which scan (default: %(default)s)")
    parser.add_argument("--models", type=Path, help="folder of the body model, needed with ROOT")
    parser.add_argument(
        "--size", type=int, default=256, help="pixels, square (default: %(default)s)"
    )
    parser.add_argument(
        "--samples", type=int, default=16, help="of Cycles, per pixel (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cpu", help="of Cycles: cpu, auto or gpu (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        result = measure(options)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Medians over the 12 views of the rig, in seconds a view: wall clock and CPU time of all
    threads."""
    cameras = orbit(size=options.size)
    with (
        tempfile.TemporaryDirectory() as folder,
        Renderer(samples=options.samples, device=options.device) as renderer,
    ):
        files, transform = place(options, Path(folder))
        checked = preflight(files)
        renderer.load(files.obj, checked, transform)
        contestants: dict[str, Callable[[int], object]] = {
            "cycles": lambda i: renderer.render(cameras[i]),
            "open3d": caster(checked.mesh, transform, cameras),
        }
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for run in contestants.values():
            run(0)  # builds the trees
        for i in range(len(cameras)):
            for name, run in contestants.items():
                wall = time.perf_counter()
                cpu = time.process_time()
                run(i)
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        device = renderer.device
        version = renderer.version
    result: dict[str, object] = {
        "blender": version,
        "device": device,
        "size": options.size,
        "samples": options.samples,
        "triangles": len(checked.mesh.faces),
    }
    for k, clock in enumerate(("wall", "cpu")):
        medians = {
            name: statistics.median(value[k] for value in values)
            for name, values in seconds.items()
        }
        result[f"{clock}_seconds_a_view"] = {
            name: round(value, 5) for name, value in medians.items()
        }
        result[f"{clock}_ratio"] = round(medians["cycles"] / max(medians["open3d"], 1e-9), 2)
    return result


def place(options: argparse.Namespace, folder: Path) -> tuple[ScanFiles, np.ndarray]:
    """The scan to render and its place in the world."""
    if options.root is None:
        return ball(folder), np.eye(4)
    if options.models is None:
        raise InputError("--models: the folder of the body model is needed to place a scan")
    from hgm.body.fits import load_fit
    from hgm.body.model import BodyModel
    from hgm.scans.canonical import scan_to_nu

    files = locate(options.root, options.scan)
    model = BodyModel.load(options.models)
    return files, scan_to_nu(load_fit(files.fit, model), model).transform


def ball(folder: Path, rings: int = 224) -> ScanFiles:
    """A lumpy ball of about 4 * rings**2 = 200,000 triangles with a noise texture."""
    polar = np.linspace(0.01, np.pi - 0.01, rings)
    azimuth = np.linspace(0, 2 * np.pi, 2 * rings)
    theta, phi = np.meshgrid(polar, azimuth, indexing="ij")
    d = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    vertices = d * (0.55 + 0.05 * np.sin(9 * d[..., :1]) * np.cos(7 * d[..., 1:2]))
    index = np.arange(theta.size).reshape(theta.shape) + 1
    a = index[:-1, :-1]
    b = index[1:, :-1]
    c = index[1:, 1:]
    e = index[:-1, 1:]
    faces = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, e], -1).reshape(-1, 3)]
    )
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    Image.fromarray(noise).save(folder / "material0.jpeg")
    (folder / "material0.mtl").write_text("newmtl material0\nmap_Kd material0.jpeg\n")
    with open(folder / "0000.obj", "w") as file:
        file.write("mtllib material0.mtl\nusemtl material0\n")
        np.savetxt(file, vertices.reshape(-1, 3), "v %.6f %.6f %.6f")
        np.savetxt(
            file,
            np.stack([phi / (2 * np.pi), 1 - theta / np.pi], -1).reshape(-1, 2),
            "vt %.6f %.6f",
        )
        np.savetxt(file, faces.repeat(2, 1), "f %d/%d %d/%d %d/%d")
    return ScanFiles("0000", folder / "0000.obj", folder / "none")


def caster(mesh: ObjMesh, transform: np.ndarray, cameras: Cameras) -> Callable[[int], object]:
    """Casts one ray through every pixel center of the i-th camera, on one thread; the rays are
    ready before."""
    import open3d as o3d

    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    vertices = mesh.vertices @ transform[:3, :3].T + transform[:3, 3]
    scene.add_triangles(vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    rays = torch.cat(cameras.rays(), -3).movedim(-3, -1).contiguous().numpy()  # [V, H, W, 6]
    tensors = [o3d.core.Tensor(view) for view in rays]
    return lambda i: scene.cast_rays(tensors[i], nthreads=1)


if __name__ == "__main__":
    sys.exit(main())
