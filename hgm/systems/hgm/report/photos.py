"""The page of reconstructed photos, which lies beside their folders and opens offline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from hgm.report.bundle import VIEWER
from hgm.report.parts import Banner, Shot, Strip, TextTable, Turned
from hgm.report.pictures import Assets, Picture
from hgm.report.run import Subject, read_object
from hgm.report.site import Site
from hgm.report.viewer_data import share, turned
from hgm.scans.data_source import STANDIN

PAGE = "index.html"
ASSETS = "page"  # the folder of all that the page needs besides the photos' own files
ASSET = re.compile(r"[0-9a-f]{16}\.(css|js)")
DOWNLOADS = ("gaussians.ply", "mesh.glb", "turntable.mp4", "smplx.npz")
STEPS = {
    "input.png": "Photo, cut out",
    "mask.png": "Mask",
    "back_coarse.png": "Coarse, from behind",
    "back.png": "Refined, from behind",
}
ANGLES = (0, 90, 180, 270)
KICKER = "Generalizable Human Gaussians from one photo"
LEAD = "A person made of 3D Gaussians, from one photo, by {networks}."
SYNTHETIC = Banner(
    "What the networks have seen",
    "These networks have seen synthetic people only.",
    "How they show a real person is no measurement, and the side that the photo does not show is "
    "made up.",
)


@dataclass(frozen=True)
class Download:
    """A file of the folder of a photo."""

    name: str
    path: str  # relative to the page
    size: str


@dataclass(frozen=True)
class ShownPhoto:
    """What the page shows of one photo."""

    name: str
    anchor: str
    notes: Sequence[str]
    film: str | None
    viewer: Turned | None
    steps: Sequence[Shot]
    views: Strip
    mesh: Picture | None
    files: Sequence[Download]
    seconds: Sequence[tuple[str, str]]
    matting: str


def write_photo_page(
    out: Path,
    folders: Mapping[str, Path],
    failed: Mapping[str, str],
    config: Mapping[str, Any],
    *,
    networks: str,
    viewer: Path = VIEWER,
) -> Path:
    """Write index.html to `out`, and return it.

    folders: the results of photos by their names, below `out`. failed: reasons by the paths of
    photos. config: the resolved configuration of the networks, which `networks` names in words.
    """
    assets = Assets(out, ASSETS)
    before = {path for path in (out / ASSETS).glob("*") if ASSET.fullmatch(path.name)}
    limit = share(len(folders))
    size = config["rendering"]["size"]
    photos = [
        _shown(out, name, folder, f"photo{i}", assets, limit, size, turning=viewer.is_file())
        for i, (name, folder) in enumerate(folders.items(), 1)
    ]
    title = photos[0].name if len(photos) == 1 and not failed else f"{len(photos)} photos"
    banners = [SYNTHETIC] if config["scans"]["source"] == STANDIN else []
    site = Site(out, assets, title, "hgm", viewer, banners)
    rows = [{"photo": path, "reason": reason} for path, reason in failed.items()]
    page = site.write(
        PAGE,
        "photos.html.j2",
        kicker=KICKER,
        lead=LEAD.format(networks=networks),
        chips=_chips(len(photos), len(failed)),
        photos=photos,
        failed=TextTable("Not reconstructed", rows) if rows else None,
    )
    for path in before - assets.added:  # of an earlier page
        path.unlink(missing_ok=True)
    return page


def _chips(done: int, failed: int) -> list[tuple[int, str]]:
    found = [(done, "photo reconstructed" if done == 1 else "photos reconstructed")]
    return [*found, (failed, "not reconstructed")] if failed else found


def _shown(
    out: Path,
    name: str,
    folder: Path,
    anchor: str,
    assets: Assets,
    limit: int,
    size: int,
    *,
    turning: bool,
) -> ShownPhoto:
    subject = Subject("", name, folder, read_object(folder / "metrics.json"))
    seen = subject.viewpoints
    shots = [
        Shot(f"{angle}°", _linked(out, subject.view("novel", seen.at(angle)) if seen else None))
        for angle in ANGLES
    ]
    seconds = subject.metrics.get("seconds", {})
    return ShownPhoto(
        name,
        anchor,
        subject.metrics.get("notes", []),
        _link(out, subject.file("turntable.mp4")),
        turned(
            assets,
            limit,
            size,
            gaussians=subject.file("gaussians.ply"),
            mesh=subject.file("mesh.glb"),
        )
        if turning
        else None,
        [Shot(caption, _linked(out, subject.file(file))) for file, caption in STEPS.items()],
        Strip("From all sides", shots, f"Views of {name}", name),
        _linked(out, subject.file("mesh.png")),
        [
            Download(file, link, f"{path.stat().st_size / 1e6:.1f} MB")
            for file in DOWNLOADS
            if (path := subject.file(file)) and (link := _link(out, path))
        ],
        [(stage, f"{value:.1f} s") for stage, value in seconds.items()],
        str(subject.metrics.get("matting", "not known")),
    )


def _link(out: Path, path: Path | None) -> str | None:
    """The path of a file below `out`, as a page there links it."""
    return None if path is None else quote(path.relative_to(out).as_posix())


def _linked(out: Path, path: Path | None) -> Picture | None:
    """A picture below `out`, where it is; None where it is absent or broken."""
    link = _link(out, path)
    if link is None or path is None:
        return None
    try:
        with Image.open(path) as image:
            return Picture(link, image.width, image.height)
    except (OSError, SyntaxError, ValueError):
        return None
