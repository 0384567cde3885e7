"""The sections of the report of head avatars: the tracking, variants beside the truth, numbers,
films."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from hgm.report.content import Headline, Report
from hgm.report.grids import Grid, Label, grid
from hgm.report.parts import Banner, Clip, Films, Note, Part, Section, Sheet, Strip, shot
from hgm.report.pictures import error_map, read
from hgm.systems.monogaussian.report.movement import movements
from hgm.systems.monogaussian.report.recovery import recoveries
from hgm.systems.monogaussian.report.run import Run
from hgm.systems.monogaussian.variants import VARIANTS

STANDIN = Banner(
    "Who is in the video",
    "A stand-in, no real person.",
    "The person, the head model and the video were made by this workflow. The numbers are not "
    "comparable with any paper's.",
)
REGIONS = {
    "full": "whole picture",
    "no_cloth": "without clothes",
    "mouth": "mouth",
    "eyes": "eyes",
    "held_out": "other cameras",
}
LABELS: Mapping[str, Label] = {
    "mae": ("MAE", 4, "lower"),
    "psnr": ("PSNR", 2, "higher"),
    "ssim": ("SSIM", 3, "higher"),
    "lpips": ("LPIPS", 4, "lower"),
}
PROTOCOLS = {
    "frozen": "The test clip's own parameters",
    "imavatar": "After fitting expression and pose to the test pictures",
}
DEFINITIONS = {
    "standard": "",
    "released_code": ", renders eroded and dilated as the release does",
}
SHOWN = 5  # frames of the test clip
TRACKING = (
    "The head model, placed by the parameters of each clip, over its pictures: what follows is "
    "only as good as this fits. The check ends the run where it does not."
)
AVATARS = "Frames of the test clip, whose motion no avatar has seen: the picture, and each avatar."
NUMBERS = (
    "Means over the frames of the test clip. Boxes around mouth and eyes come from the landmarks. "
    "Other cameras, which only a stand-in's video has, saw some of these frames from the sides, "
    "where no training picture was taken."
)
FILMS = (
    "A sweep shows one expression at a time, from its mean in the training clips to two deviations "
    "above and below; an orbit the head from other sides; other films follow a clip."
)
MOVEMENT = (
    "How far the skinning weights that points on the head have learned are from those of their "
    "nearest vertices of the head model, and the weight of the bone that stays for points on the "
    "body, which should be near 1. The test clip of a stand-in also shows expressions alone: how "
    "well the pixels that one moves in the avatar's pictures overlap those that it truly moves "
    "(IoU). Of an expression that moves few pixels most lie at an edge, where half a pixel decides."
)
RECOVERY = (
    "The training parameters of this run were given errors. The training learns them along with "
    "the avatar; here is how far they are from the truth before and after, over the training "
    "frames."
)


class Hero(NamedTuple):
    """What is shown beside the title."""

    film: str
    caption: str


class HeadReport(Report):
    """The content of the report of a run of head avatars."""

    SYSTEM = "monogaussian"
    KICKER = "A head avatar from one portrait video"
    LEAD = (
        "One video of a head in, an avatar of 3D Gaussians out that any expression and pose "
        "drives: data, training, re-animation and measurement of this run on one page."
    )
    STAGES: ClassVar[Mapping[str, str]] = {
        name: f"Avatar: {variant.title}" for name, variant in VARIANTS.items()
    }
    run: Run

    def banners(self) -> list[Banner]:
        return [STANDIN] if self.run.standin else []

    def chips(self) -> list[tuple[int, str]]:
        run = self.run
        frames = {s.metrics.get("frames") for s in run.subjects}
        points = [s.metrics.get("points") for s in run.main]
        found = [(len(run.variants), "avatars")]
        found += [(count, "test frames") for count in frames if isinstance(count, int)]
        found += [(count, "points") for count in points[:1] if isinstance(count, int)]
        return found

    def headlines(self) -> list[Headline]:
        """PSNR of the first avatar, whole and at the mouth, and that of the simplest."""
        run = self.run
        if not run.variants:
            return []
        main = run.variants[0]
        remark = PROTOCOLS[run.headline].lower()
        rows = [
            ("PSNR", main, "full", "psnr", "{:.2f} dB", remark),
            ("SSIM", main, "full", "ssim", "{:.3f}", remark),
            ("Mouth", main, "mouth", "psnr", "{:.2f} dB", "PSNR in the box around the mouth"),
            ("Other cameras", main, "held_out", "psnr", "{:.2f} dB", "PSNR, ±15° and ±25°"),
            ("Bound Gaussians", "bound", "full", "psnr", "{:.2f} dB", "the baseline's PSNR"),
        ]
        found = []
        for label, variant, region, metric, form, said in rows:
            measured = run.measured(variant, run.headline)
            value = measured and measured.number("images", region, "standard", metric)
            found.append(
                (label, "–" if value is None else form.format(value), said)
                if value is not None
                else (label, "–", "not available")
            )
        return found

    def hero(self) -> Hero | None:
        for driver in self.run.drivers:
            film = self.assets.file(self.run.film(self.run.variants[0], driver))
            if film is not None:
                return Hero(film, f"{self.run.variants[0]}, driven by {driver}")
        return None

    def sections(self) -> list[Section]:
        found = [
            Section("tracking", "Tracking", TRACKING, self._tracking(), "The check"),
            Section("avatars", "Avatars beside the truth", AVATARS, self._avatars(), "Pictures"),
            Section("numbers", "Numbers", NUMBERS, self._numbers(), "Measures"),
            Section("films", "Films", FILMS, self._films(), "Films"),
        ]
        moved = movements(self.run)
        if moved:
            found.append(Section("movement", "Movement", MOVEMENT, moved, "Skinning, expressions"))
        recovered = recoveries(self.run)
        if recovered:
            found.append(Section("recovery", "Recovered tracking", RECOVERY, recovered, "Errors"))
        return found

    def _tracking(self) -> list[Part]:
        parts: list[Part] = []
        for name, found in self.run.checks.items():
            picture = self.assets.optional(read(self.run.check(name, "png"), 1600))
            if picture is not None:
                alt = f"Frames of clip {name}, the head model tinted over each"
                parts.append(Sheet(f"Head model over clip {name}", picture, alt))
            parts.append(
                Note(
                    f"Clip {name}: overlap (IoU) {found['iou']:.3f} in {found['compared']}, "
                    f"{found['least']:.2f} needed; {len(found['set_aside'])} frames set aside."
                )
            )
        return parts

    def _avatars(self) -> list[Part]:
        run = self.run
        shown = [s for name in run.variants if (s := run.measured(name, run.headline))]
        if not shown:
            return []
        names = _spread([p.stem for p in _frames(shown[0].folder)])
        strips: list[Part] = []
        for name in names:
            truth = read(shown[0].folder / "truth" / f"{name}.png")
            pictures = {s.variant: read(s.folder / "frames" / f"{name}.png") for s in shown}
            shots = [shot(self.assets, "truth", truth)]
            shots += [shot(self.assets, v, picture) for v, picture in pictures.items()]
            first = next(iter(pictures.values()))
            shots.append(shot(self.assets, f"error of {shown[0].variant}", error_map(first, truth)))
            strips.append(Strip(f"Frame {name}", shots, f"Avatars at frame {name}"))
        return [*strips, *self._held_out()]

    def _held_out(self) -> list[Part]:
        """The first avatar from cameras that no training picture is of."""
        run = self.run
        measured = run.measured(run.variants[0], run.headline)
        if measured is None:
            return []
        paths = sorted((measured.folder / "frames").glob("*_*.png"))
        if not paths:
            return []
        first = paths[0].stem.split("_")[0]
        shots = []
        for path in (p for p in paths if p.stem.split("_")[0] == first):
            camera = path.stem.split("_", 1)[1].replace("_", " ")
            shots.append(shot(self.assets, f"{camera}°", read(path)))
            truth = read(measured.folder / "truth" / path.name)
            shots.append(shot(self.assets, "truth", truth))
        return [Strip(f"Frame {first}, other cameras", shots, "Views of other cameras")]

    def _numbers(self) -> list[Part]:
        rows = self.run.table("reenactment")
        grids: list[Grid | None] = []
        for protocol, title in PROTOCOLS.items():
            for definition, suffix in DEFINITIONS.items():
                chosen = [
                    r
                    for r in rows
                    if r.get("protocol") == protocol and r.get("definition") == definition
                ]
                columns = [
                    (text, metric, {"region": region})
                    for region, text in REGIONS.items()
                    for metric in LABELS
                ]
                grids.append(
                    grid(f"{title}{suffix}", "", chosen, "variant", columns, labels=LABELS)
                )
        return [one for one in grids if one is not None]

    def _films(self) -> list[Part]:
        run = self.run
        return [
            Films(
                driver.capitalize(),
                [Clip(v, self.assets.file(run.film(v, driver))) for v in run.variants],
                f"Films driven by {driver}",
            )
            for driver in run.drivers
        ]

    def methods(self) -> list[str]:
        """What was done, filled from the configuration."""
        avatar = self.run.setting("avatar")
        video = self.run.setting("video")
        if not isinstance(avatar, Mapping) or not isinstance(video, Mapping):
            return []
        bands = avatar["bands"]
        vgg = self.run.setting("weights", "vgg16") is not None and avatar["vgg"] > 0
        return [
            f"Clips {', '.join(video['train'])} of {video['subject']} were trained on, clip "
            f"{video['test']} was measured, at {video['size']} px over white.",
            f"Points grow from {bands[0]['points']:,} to {bands[-1]['points']:,} over "
            f"{avatar['epochs']} epochs; after each epoch those that were never more opaque than "
            f"{avatar['least_opacity']:g} are replaced by copies of others.",
            "The loss is L1 + "
            f"{avatar['ssim']:g} · (1 − SSIM)"
            + (f" + {avatar['vgg']:g} · VGG" if vgg else ", without the VGG loss")
            + f" + the distance from the head model's motion with weight {avatar['flame']:g}, "
            "which is halved as the training goes on.",
            f"Adam with a learning rate of {avatar['lr']:g}; from "
            f"{100 * avatar['tracking_start']:.0f} % of the training on each frame's expression "
            f"and pose learn with {avatar['tracking_lr']:g}, its camera shift with "
            f"{avatar['shift_lr']:g}.",
        ]


def _frames(folder: Path) -> list[Path]:
    """The pictures of the clip's own camera, in the order of its frames."""
    found = (folder / "frames").glob("*.png")
    return sorted((p for p in found if p.stem.isdigit()), key=lambda p: int(p.stem))


def _spread(names: list[str]) -> list[str]:
    """Some of the names, from the first to the last."""
    chosen = np.linspace(0, len(names) - 1, min(SHOWN, len(names))).round().astype(int)
    return [names[i] for i in chosen]
