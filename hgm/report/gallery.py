"""The pictures of each stage and subject, gathered for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.errors import InputError
from hgm.metrics.definitions import BACK_VIEW, TEST_VIEWS
from hgm.report.names import VARIANT_NAMES
from hgm.report.pictures import Assets, Picture, error_map, read, read_depth, sheet
from hgm.report.run import Run, Subject
from hgm.views import view_path

DATA_SHEETS = 3  # scans whose twelve views are shown
PAIR_COLUMNS = 8
VIEWERS = 6  # subjects that can be turned in three dimensions
ABLATION_SUBJECTS = 4
FILES = ("gaussians.ply", "mesh.glb", "smplx.npz", "metrics.json")


@dataclass(frozen=True)
class Shot:
    """A captioned picture; without one the page says that it is not available."""

    caption: str
    picture: Picture | None
    note: str = ""


@dataclass(frozen=True)
class Viewer:
    """Gaussians for the interactive view: `script` is the path of the data."""

    key: str
    script: str
    count: int
    total: int


@dataclass(frozen=True)
class Card:
    """All pictures of one subject."""

    name: str
    anchor: str
    steps: list[Shot]  # photo, back views
    comparison: list[tuple[str, list[Shot]]]  # row title and one shot for each test view
    video: str | None
    mesh: Shot
    viewer: Viewer | None
    numbers: list[tuple[str, str]]
    files: list[str]  # what a reader may want to open, as paths inside the run


def _shot(assets: Assets, caption: str, image: np.ndarray | None, note: str = "") -> Shot:
    return Shot(caption, None if image is None else assets.picture(image), note)


def data_sheets(run: Run, assets: Assets) -> list[Shot]:
    """Twelve views of the first rendered scan of each split: colour, mask, depth, normals from top to bottom."""
    shown: dict[str, tuple[str, Path]] = {}
    for row in run.scans:
        folder = run.folder / "views" / row.get("chunk", "") / row.get("scan", "")
        if view_path(folder, "rgb", 0).is_file():
            shown.setdefault(row.get("split", ""), (row.get("scan", ""), folder))
    found = []
    for split, (scan, folder) in list(shown.items())[:DATA_SHEETS]:
        rows: list[list[np.ndarray | None]] = [
            [read(view_path(folder, kind, i), 160) if kind != "depth" else read_depth(view_path(folder, kind, i), 160)
             for i in range(12)] for kind in ("rgb", "mask", "depth", "normal")]
        image = sheet(rows, 128)
        if image is not None:
            found.append(_shot(assets, f"Scan {scan} ({split})", image))
    return found


def pair_sheet(run: Run, assets: Assets) -> Shot | None:
    """Conditions above their targets."""
    folders = [p for p in sorted((run.folder / "pairs").glob("*/")) if (p / "condition.png").is_file()][:PAIR_COLUMNS]
    if not folders:
        return None
    rows = [[read(p / name, 256) for p in folders] for name in ("condition.png", "target.png")]
    return _shot(assets, "Above: back views of the unconverged coarse model. Below: the true back views.", sheet(rows, 144))


def validation_shots(run: Run, assets: Assets, stage: str) -> list[Shot]:
    """The first, a middle and the last validation picture of a stage."""
    paths = sorted((run.folder / stage / "validation").glob("step_*.png"))
    chosen = [paths[i] for i in sorted({0, len(paths) // 2, len(paths) - 1})] if paths else []
    return [_shot(assets, f"Step {int(p.stem[5:]):,}" if p.stem[5:].isdigit() else p.stem, read(p, 1200)) for p in chosen]


def _viewer(subject: Subject, index: int, assets: Assets) -> Viewer | None:
    from hgm.gaussians import Gaussians
    from hgm.report.splats import pack

    path = subject.file("gaussians.ply")
    if path is None or index >= VIEWERS:
        return None
    try:
        packed = pack(Gaussians.load_ply(path))
    except InputError:
        return None
    if not packed.count:
        return None
    key = f"subject-{index}"
    return Viewer(key, assets.add(packed.script(key).encode("ascii"), ".js"), packed.count, packed.total)


def cards(run: Run, assets: Assets) -> list[Card]:
    """One card for each subject of the main variant."""
    found = []
    for index, subject in enumerate(run.main):
        novel, truth = ([read(p) for p in subject.views(kind)] or [None] * 12 for kind in ("novel", "truth"))
        steps = [
            _shot(assets, "Photo", read(subject.file("input.png"))),
            _shot(assets, "Coarse, from behind", read(subject.file("back_coarse.png"))),
            _shot(assets, "Refined by ControlNet", read(subject.file("back.png"))),
            _shot(assets, "True back view", truth[BACK_VIEW]),
        ]
        angles = [f"{30 * i}°" for i in TEST_VIEWS]
        errors = [error_map(novel[i], truth[i]) for i in TEST_VIEWS]
        rows: list[tuple[str, Sequence[np.ndarray | None]]] = [
            ("ours", [novel[i] for i in TEST_VIEWS]), ("truth", [truth[i] for i in TEST_VIEWS]), ("error", errors)]
        comparison = [(title, [_shot(assets, angle, image) for angle, image in zip(angles, images, strict=True)])
                      for title, images in rows]
        found.append(Card(
            subject.name, f"subject-{index}", steps, comparison, assets.file(subject.file("turntable.mp4")),
            _shot(assets, "Mesh", read(subject.file("mesh.png"), 1024)), _viewer(subject, index, assets), _numbers(subject),
            [f"subjects/{subject.variant}/{subject.name}/{name}" for name in FILES if subject.file(name)],
        ))
    return found


def _numbers(subject: Subject) -> list[tuple[str, str]]:
    """The few numbers in the head of a card; those that are not available are left out."""
    wanted = [("PSNR", ("views", "standard", "psnr"), "{:.2f} dB"), ("SSIM", ("views", "standard", "ssim"), "{:.3f}"),
              ("LPIPS", ("views", "standard", "lpips"), "{:.4f}"), ("Chamfer", ("geometry", "chamfer_cm"), "{:.2f} cm"),
              ("MPJPE", ("body", "mpjpe_mm"), "{:.1f} mm")]
    found = [(label, subject.number(*keys), form) for label, keys, form in wanted]
    return [(label, form.format(value)) for label, value, form in found if value is not None]


def ablation_shots(run: Run, assets: Assets) -> list[tuple[str, list[Shot]]]:
    """For the first subjects: every variant at 90 degrees above 180 degrees, and the truth."""
    found = []
    for subject in run.main[:ABLATION_SUBJECTS]:
        shots = []
        same = [s for s in run.subjects if s.name == subject.name]
        for one in same:
            novel = one.views("novel")
            if novel:
                shots.append(_shot(assets, VARIANT_NAMES.get(one.variant, one.variant), _pair(novel)))
        truth = subject.views("truth")
        if truth:
            shots.append(_shot(assets, "truth", _pair(truth)))
        if len(shots) > 1:
            found.append((subject.name, shots))
    return found


def _pair(views: Sequence[Path]) -> np.ndarray | None:
    return sheet([[read(views[3], 320)], [read(views[BACK_VIEW], 320)]], 192)
