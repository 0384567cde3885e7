"""What the report shows of each person."""

from __future__ import annotations

from dataclasses import dataclass

from hgm.images.viewpoints import Viewpoints
from hgm.report.parts import Shot, Turned, shot
from hgm.report.pictures import Assets, Picture, error_map, read, sheet
from hgm.report.run import Subject
from hgm.report.viewer_data import share, turned
from hgm.systems.hgm.report.run import Run

FILES = ("gaussians.ply", "mesh.glb", "smplx.npz", "metrics.json")
EDGE = 512


@dataclass(frozen=True)
class Angle:
    """One measured view: the render, the truth, and their difference."""

    degrees: int
    ours: Picture | None
    truth: Picture | None
    error: Shot


@dataclass(frozen=True)
class Person:
    """One subject of the main variant. page: path of its own page; thumb: its picture in the
    gallery."""

    name: str
    page: str
    thumb: Picture | None
    psnr: float | None
    steps: list[Shot]  # photo, back views
    angles: list[Angle]
    views: Shot
    film: str | None
    mesh: Shot
    viewer: Turned | None
    numbers: list[tuple[str, str]]
    files: list[str]  # files that a reader may want to open, as paths inside the run


def people(run: Run, assets: Assets, *, turning: bool) -> list[Person]:
    """One person for each subject of the main variant, by name. turning: include the data for the
    interactive viewer."""
    limit = share(len(run.main))
    return [
        _person(
            subject,
            f"people/{index + 1:04d}.html",
            _viewer(run, subject, assets, limit) if turning else None,
            assets,
        )
        for index, subject in enumerate(run.main)
    ]


def _person(subject: Subject, page: str, viewer: Turned | None, assets: Assets) -> Person:
    seen = subject.viewpoints
    novel, truth = (
        [read(p, EDGE) for p in subject.views(kind)] or [None] * len(seen or ())
        for kind in ("novel", "truth")
    )
    photo = read(subject.file("input.png"), EDGE)
    steps = [
        shot(assets, "Photo", photo),
        shot(assets, "Coarse, from behind", read(subject.file("back_coarse.png"), EDGE)),
        shot(assets, "Refined by ControlNet", read(subject.file("back.png"), EDGE)),
        shot(assets, "True back view", truth[seen.back] if seen else None),
    ]
    angles = (
        [
            Angle(
                seen.degrees(i),
                assets.optional(novel[i]),
                assets.optional(truth[i]),
                shot(assets, f"Error at {seen.degrees(i)}°", error_map(novel[i], truth[i])),
            )
            for i in sorted(seen.measured, key=seen.ring.index)
        ]
        if seen
        else []
    )
    thumb = assets.optional(
        sheet([[photo, *([novel[seen.at(90)], novel[seen.back]] if seen else [])]], 128, 0)
    )
    name = f"subjects/{subject.variant}/{subject.name}"
    return Person(
        subject.name,
        page,
        thumb,
        subject.number("views", "standard", "psnr"),
        steps,
        angles,
        shot(
            assets,
            _all_views(seen),
            sheet([[row[i] for i in seen.ring] for row in (novel, truth)] if seen else [], 128),
        ),
        assets.file(subject.file("turntable.mp4")),
        shot(assets, "Mesh", read(subject.file("mesh.png"), 1024)),
        viewer,
        _numbers(subject),
        [f"{name}/{file}" for file in FILES if subject.file(file)],
    )


def _all_views(seen: Viewpoints | None) -> str:
    """The caption of the picture with all views side by side."""
    step = 360 / len(seen) if seen else 0.0
    even = seen is not None and all(
        abs(seen.angles[i] - k * step) < 0.5 for k, i in enumerate(seen.ring)
    )
    return f"Every {step:g}°, ours above the truth" if even else "Every view, ours above the truth"


def _viewer(run: Run, subject: Subject, assets: Assets, limit: int) -> Turned | None:
    size = run.setting("rendering", "size")
    return turned(
        assets,
        limit,
        size if isinstance(size, int) else EDGE,
        gaussians=subject.file("gaussians.ply"),
        mesh=subject.file("mesh.glb"),
    )


def _numbers(subject: Subject) -> list[tuple[str, str]]:
    """The main metrics for the head of a page, without those that are not available."""
    wanted = [
        ("PSNR", ("views", "standard", "psnr"), "{:.2f} dB"),
        ("SSIM", ("views", "standard", "ssim"), "{:.3f}"),
        ("LPIPS", ("views", "standard", "lpips"), "{:.4f}"),
        ("Chamfer", ("geometry", "chamfer_cm"), "{:.2f} cm"),
        ("MPJPE", ("body", "mpjpe_mm"), "{:.1f} mm"),
    ]
    found = [(label, subject.number(*keys), form) for label, keys, form in wanted]
    return [(label, form.format(value)) for label, value, form in found if value is not None]
