"""A results folder like that of a finished run, with drawn pictures and made-up numbers."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image, ImageDraw

from hgm.cameras import orbit
from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.views import save_cameras
from hgm.mesh.conversion import with_colors
from hgm.mesh.io import save_mesh
from hgm.scans.catalogue import write_table
from hgm.workflow.configuration import resolve

NASTY = "<script>alert('x')<b>&\"\n名"  # a subject whose name must be escaped
SUBJECTS = ["0505", "0506", NASTY]
SIZE = 96


def save_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=1)


@functools.cache
def figure(
    azimuth: float, color: tuple[int, int, int], *, blur: int = 0, size: int = SIZE
) -> np.ndarray:
    """A drawn person with a bag on the left arm, so that sides differ, uint8 [size, size, 3] on
    white."""
    image = Image.new("RGB", (4 * size, 4 * size), "white")
    s = 4 * size / 96
    draw = ImageDraw.Draw(image)
    turn = np.cos(azimuth)
    lean = np.sin(azimuth)

    def blob(x: float, y: float, rx: float, ry: float, fill: tuple[int, ...]) -> None:
        draw.ellipse([(x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s], fill=fill)

    skin = (224, 182, 150)
    dark = tuple(c // 2 for c in color)
    for side in (-1, 1):
        blob(48 + side * 5 * abs(turn), 70, 4.5, 18, dark)
        blob(48 + side * 12 * abs(turn) + 3 * lean, 46, 3, 14, color)
    blob(48, 44, 9 + 3 * abs(turn), 15, color)
    blob(48 + 14 * turn, 60, 5, 5, (150, 40, 40))
    blob(48 + 2 * lean, 21, 7, 8.5, skin if turn > -0.4 else (70, 50, 35))
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    if blur:
        image = image.resize((size // blur, size // blur), Image.Resampling.BILINEAR)
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def angle(view: int) -> float:
    return view * np.pi / 6


def person(seed: int, count: int = 3000) -> Gaussians:
    """Gaussians on a few ellipsoids."""
    random = np.random.default_rng(seed)
    parts = [
        ((0, 0.16, 0), (0.16, 0.24, 0.10), (0.2, 0.35, 0.8)),
        ((0, 0.52, 0), (0.09, 0.12, 0.10), (0.85, 0.7, 0.6)),
        ((-0.08, -0.42, 0), (0.07, 0.3, 0.08), (0.15, 0.15, 0.25)),
        ((0.08, -0.42, 0), (0.07, 0.3, 0.08), (0.15, 0.15, 0.25)),
        ((-0.25, 0.12, 0), (0.05, 0.25, 0.05), (0.2, 0.35, 0.8)),
        ((0.25, 0.12, 0), (0.05, 0.25, 0.05), (0.8, 0.35, 0.2)),
    ]
    part = random.integers(len(parts), size=count)
    n = random.normal(size=(count, 3))
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    center, radii, paint = (np.array([p[i] for p in parts])[part] for i in range(3))
    shade = 0.75 + 0.25 * n[:, 2:]
    tensor = lambda x: torch.tensor(x, dtype=torch.float32)  # noqa: E731
    return Gaussians(
        tensor(center + radii * n),
        torch.full((count,), 0.9),
        torch.full((count, 3), 0.012),
        tensor([[1.0, 0, 0, 0]]).expand(count, 4).contiguous(),
        tensor(np.clip(paint * shade, 0, 1)),
    )


def ball(subdivisions: int = 3) -> trimesh.Trimesh:
    """A sphere of radius 0.5, red on the side that the first camera sees and blue behind."""
    sphere = trimesh.creation.icosphere(subdivisions, radius=0.5)
    colors = np.where(sphere.vertices[:, 2:] > 0, [[200, 40, 40]], [[40, 60, 200]]).astype(np.uint8)
    return with_colors(sphere.vertices, sphere.faces, colors)


def images(psnr: float, lpips: float | None) -> dict[str, Any]:
    standard = {
        "psnr": psnr,
        "ssim": 0.8 + psnr / 200,
        "ms_ssim": 0.85 + psnr / 250,
        "lpips": lpips,
    }
    released = {
        **standard,
        "ssim": standard["ms_ssim"] + 0.02,
        "lpips": None if lpips is None else lpips * 0.6,
    }
    return {
        "standard": standard,
        "released_code": released,
        "ms_ssim_scales": 4,
        "person_box": {**standard, "psnr": psnr - 4.5, "ssim": standard["ssim"] - 0.08},
    }


def metrics(
    name: str, variant: str, index: int, *, standin: bool = True, lpips: float | None = None
) -> dict[str, Any]:
    worse = {
        "full": 0.0,
        "no_diffusion": 0.4,
        "one_view": 0.7,
        "no_refine": 1.1,
        "no_body": 1.9,
    }.get(variant, 0.6)
    psnr = 22.8 - worse + 0.3 * index
    surface = {
        "chamfer_cm": 2.1 + 0.1 * worse,
        "p2s_cm": 2.0 + 0.1 * worse,
        "s2p_cm": 2.2 + 0.1 * worse,
        "normal_consistency": 0.82 - 0.01 * worse,
    }
    return {
        "subject": name,
        "variant": variant,
        "standin": standin,
        "views": images(psnr, lpips),
        "back": images(psnr - 1.5, lpips),
        "back_render": images(psnr - 1.2, lpips),
        "geometry": {
            **surface,
            **{f"{k}_icp": v - (0.2 if k.endswith("cm") else -0.01) for k, v in surface.items()},
        },
        "body": {
            "initial_mpjpe_mm": 80.2 + index,
            "mpjpe_mm": 46.0 + index,
            "initial_pa_mpjpe_mm": 60.1,
            "pa_mpjpe_mm": 39.9,
        },
        "baselines": {
            k: {"views": images(psnr - d, lpips), "back": images(psnr - d - 2, lpips)}
            for k, d in (("coarse", 0.9), ("textured_body", 4.0), ("copy_nearest", 6.5))
        },
        "seconds": {"coarse": 1.2, "back_view": 3.4, "fusion": 1.9},
    }


def write_subject(folder: Path, name: str, variant: str, index: int, **more: Any) -> None:
    blur = {"full": 1, "no_diffusion": 2, "one_view": 4, "no_refine": 2, "no_body": 4}[variant]
    color = [(70, 110, 200), (60, 150, 110), (190, 120, 60)][index % 3]
    save_png(folder / "input.png", figure(0, color))
    save_png(folder / "back_coarse.png", figure(np.pi, color, blur=6))
    save_png(folder / "back.png", figure(np.pi, color, blur=2))
    for i in range(12):
        save_png(folder / f"novel_{i:02d}.png", figure(angle(i), color, blur=blur + 1))
        save_png(folder / f"truth_{i:02d}.png", figure(angle(i), color))
    save_cameras(folder, orbit(size=SIZE))
    (folder / "metrics.json").write_text(json.dumps(metrics(name, variant, index, **more)))
    if variant == "full":
        write_video(
            folder / "turntable.mp4",
            (figure(a, color, blur=2) for a in np.linspace(0, 2 * np.pi, 24, False)),
            fps=12,
        )
        save_png(folder / "mesh.png", np.repeat(figure(0.4, (150, 150, 155))[:, :, :1], 3, axis=2))
        person(index).save_ply(folder / "gaussians.ply")
        save_mesh(folder / "mesh.glb", ball())


def write_history(path: Path, steps: int, *, validate: int, parts: tuple[str, ...] = ()) -> None:
    random = np.random.default_rng(steps)
    path_rows = []
    names = [f"{p}_{q}" for p in parts for q in ("rgb", "mask", "perceptual")]
    for step in range(1, steps + 1):
        value = 0.4 * np.exp(-4 * step / steps) + 0.03
        row = {
            "step": step,
            "loss": value * random.uniform(0.8, 1.25),
            "grad_norm": 0.5,
            "lr": 1e-3,
        }
        row |= {n: value * random.uniform(0.8, 1.2) / (2 + i) for i, n in enumerate(names)}
        if step % validate == 0:
            row["validation_psnr"] = 24 - 10 * value
        path_rows.append(row)
    columns = list(dict.fromkeys(k for row in path_rows for k in row))
    lines = [
        "\t".join(columns),
        *("\t".join(f"{row[c]:.6g}" if c in row else "" for c in columns) for row in path_rows),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_views(folder: Path) -> None:
    for i in range(12):
        rgb = figure(angle(i), (120, 90, 170))
        mask = rgb.min(-1) < 250
        y, x = np.mgrid[:SIZE, :SIZE]
        depth = np.where(mask, 1.5 - 0.1 * np.cos((x - 48) / 20), 0) / 4 * 65536
        normal = np.where(
            mask[..., None], np.stack([128 + x, 128 + (48 - y) // 2, np.full_like(x, 220)], -1), 128
        )
        for kind, image in (
            ("rgb", rgb),
            ("mask", (mask * 255).astype(np.uint8)),
            ("depth", depth.astype(np.uint16)),
            ("normal", np.clip(normal, 0, 255).astype(np.uint8)),
        ):
            save_png(folder / f"{kind}_{i:02d}.png", image)


def write_benchmarks(folder: Path) -> None:
    spent = {
        "catalogue": [3.2],
        "render/train000": [61.0],
        "render/test000": [58.0],
        "coarse": [310.5],
        "base": [95.0],
        "pairs": [14.0],
        "controlnet": [88.0],
        "fusion": [190.0],
        "reconstruct/full/test000": [21.0],
        "mesh/full/test000": [31.0],
        "evaluate/full/test000": [12.5],
    }
    for rule, seconds in spent.items():
        path = folder / f"{rule}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "".join(
                json.dumps(
                    {"s": s, "max_rss": 900.0 + 3 * s, "cpu_time": 0.97 * s, "h:m:s": "0:00:01"}
                )
                + "\n"
                for s in seconds
            )
        )


def write_times(folder: Path) -> None:
    """Write what jobs measure for each person."""
    stages = {"coarse": 1.0, "back_view": 2.5, "fusion": 1.5}
    for i in range(3):
        made = {
            "seconds": 9.0,
            "stages": {k: v + i for k, v in stages.items()},
            "frames_per_second": 100.0 + i,
            "size": 192,
        }
        for name, found in (
            ("refine", {"seconds": 20.0 + i}),
            ("reconstruct/full", made),
            ("mesh/full", {"seconds": 30.0 + i}),
        ):
            path = folder / name / f"test{i:03d}.members.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({f"{i:04d}": found}))


def write_jobs(folder: Path) -> None:
    """Write records of four rules, one of them with two jobs; the output of `a` reaches `d` both
    directly and through `b`."""
    jobs = {
        "a": ("a", {}, {"out": "a.txt"}),
        "b/0": ("b", {"x": "a.txt"}, {"out": "b0.txt"}),
        "b/1": ("b", {"x": "a.txt"}, {"out": "b1.txt"}),
        "c": ("c", {"given": "resources/paper/hgm.yaml"}, {"out": ["c.txt"]}),
        "d": ("d", {"all": ["a.txt", "b0.txt", "b1.txt"], "c": "c.txt"}, {"page": "index.html"}),
    }
    for name, (rule, inputs, outputs) in jobs.items():
        path = folder / f"{name}.job.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"rule": rule, "input": inputs, "output": outputs}))


def write_run(run: Path) -> dict[str, Any]:
    """Fill `run` with everything that a run writes except tables and report; returns the
    configuration."""
    config: Mapping[str, Any] = resolve({"run": "fixture"})
    for variant in ("full", "no_diffusion", "one_view", "no_refine", "no_body"):
        for index, name in enumerate(SUBJECTS):
            write_subject(run / "subjects" / variant / name, name, variant, index)
    rows = [
        ("0000", "train", "train000"),
        ("0001", "train", "train000"),
        *((s, "test", "test000") for s in SUBJECTS),
    ]
    write_table(run / "scans.tsv", ("scan", "split", "chunk"), rows)
    (run / "rejected.tsv").write_text("scan\treason\n0003\tno texture <img> in the folder\n")
    for scan, _, chunk in rows[1:3]:
        write_views(run / "views" / chunk / scan)
    for i in range(5):
        save_png(
            run / "pairs" / f"{i:04d}" / "condition.png",
            figure(np.pi, (60 + 30 * i, 100, 150), blur=8),
        )
        save_png(run / "pairs" / f"{i:04d}" / "target.png", figure(np.pi, (60 + 30 * i, 100, 150)))
    write_history(
        run / "coarse" / "history.tsv", 700, validate=100, parts=("merged", "unet", "body")
    )
    write_history(
        run / "fusion" / "history.tsv", 200, validate=50, parts=("merged", "unet", "body")
    )
    write_history(run / "controlnet" / "history.tsv", 150, validate=1000)
    write_history(run / "base" / "history_vae.tsv", 120, validate=1000)
    for step, blur in ((100, 8), (400, 4), (700, 2)):
        blue = (70, 110, 200)
        pictures = [
            np.concatenate([figure(angle(v), blue), figure(angle(v), blue, blur=blur)])
            for v in (0, 3, 6, 9)
        ]
        save_png(
            run / "coarse" / "validation" / f"step_{step:06d}.png", np.concatenate(pictures, 1)
        )
    write_benchmarks(run / "benchmarks")
    write_times(run / "benchmarks")
    write_jobs(run / "logs")
    record = {
        "config": config,
        "config_key": "8c1f00aa12de",
        "git": {"commit": "0123abc" * 5, "clean": True},
        "versions": {"torch": "2.13.0", "gsplat": None},
        "python": "3.11.7",
        "machine": {"system": "Linux", "processor": "x86_64"},
    }
    (run / "run.json").write_text(json.dumps(record))
    return dict(config)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished run and its configuration; tests must not write to it."""
    run = tmp_path_factory.mktemp("results") / "fixture"
    return run, write_run(run)
