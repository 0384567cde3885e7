"""The sections of the report of avatars: the capture's check, the maps, variants beside the truth,
numbers, films, Gaussians to turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from hgm.report.content import Headline, Report
from hgm.report.grids import Grid, Label, grid
from hgm.report.parts import (
    Banner,
    Clip,
    Films,
    Note,
    Part,
    Section,
    Sheet,
    Strip,
    TextTable,
    Turntable,
    shot,
)
from hgm.report.pictures import error_map, read
from hgm.report.viewer_data import share, turned
from hgm.systems.animatable.report.maps import map_pictures
from hgm.systems.animatable.report.run import KINDS, Run
from hgm.systems.animatable.report.tables import REGIONS
from hgm.systems.animatable.splits import SPLITS
from hgm.systems.animatable.variants import VARIANTS

STANDIN = Banner(
    "Who is in the pictures",
    "A stand-in, no real person.",
    "The person, the body model and the pictures were made by this workflow; elbows and knees "
    "darken as they bend, by a stated formula. The numbers are not comparable with any paper's.",
)
REGION = {
    "full": "whole picture",
    "person_box": "person's box",
    "crease": "elbows and knees",
}
LABELS: Mapping[str, Label] = {
    "mae": ("MAE", 4, "lower"),
    "psnr": ("PSNR", 2, "higher"),
    "ssim": ("SSIM", 3, "higher"),
    "lpips": ("LPIPS", 4, "lower"),
    "kid": ("KID", 4, "lower"),
}
STAGE = {"pretrain": "Pretraining", "avatar": "Avatar"}
SHOWN = 3  # pictures of a split
TURNED = 4  # sets of Gaussians to turn
CIRCLE = (214, 39, 40)  # around elbows and knees
CHECKED = (
    "The body, placed by the capture's parameters, tinted over its pictures: all that follows is "
    "only as good as this fits. The check ends the run where it does not."
)
MAPS = (
    "The person in the star pose from the front and from behind, the latter mirrored. Every pixel "
    "is a Gaussian. What the networks see of a pose is the front map with the places that its "
    "points have in it; red, green and blue are x, y and z."
)
AVATARS = (
    "Pictures that no avatar was trained on: the truth, and each variant. Circles mark elbows and "
    "knees, where clothes change with the pose: only an avatar that sees the pose can know."
)
NUMBERS = (
    "Means over the pictures of each split. The box is around the person's mask; elbows and knees "
    "are the person's pixels in discs of {crease:g} m around these joints."
)
FILMS = "Each avatar, driven by motions that it has not seen."
TURN = "The Gaussians of single frames."
SPACE = (
    "A pose's map is brought back to the space of the training poses: their first components, and "
    "along each no more deviations from the mean than sigma. The table shows in how many frames a "
    "pose was beyond that, by how much what the networks see was moved in the mean, and how far "
    "the farthest Gaussian then left its place on the surface."
)


class AvatarReport(Report):
    """The content of the report of a run of avatars."""

    SYSTEM = "animatable"
    KICKER = "An avatar from a multi-view video"
    LEAD = (
        "A video of a person by many cameras in, an avatar of 3D Gaussians out that any motion "
        "drives: capture, maps, training, films and measurement of this run on one page."
    )
    STAGES: ClassVar[Mapping[str, str]] = {
        f"{stage} {name}": f"{title}: {variant.title}"
        for name, variant in VARIANTS.items()
        for stage, title in STAGE.items()
    }
    run: Run

    def banners(self) -> list[Banner]:
        return [STANDIN] if self.run.standin else []

    def chips(self) -> list[tuple[int, str]]:
        run = self.run
        points = [s.metrics.get("points") for s in run.main]
        pictures = [s.metrics.get("pictures") for s in run.main]
        found = [(len(run.variants), "avatars")]
        found += [(count, "Gaussians each") for count in points[:1] if isinstance(count, int)]
        measured = sum(count for count in pictures if isinstance(count, int))
        return [*found, (measured, "pictures measured")]

    def headlines(self) -> list[Headline]:
        """The first avatar in the person's box on each split, and at elbows and knees, beside the
        others."""
        run = self.run
        if not run.variants:
            return []
        main = run.variants[0]
        found = [self._psnr(split, main, "person_box") for split in run.splits]
        last = run.splits[-1]
        found += [self._psnr(last, name, "crease") for name in run.variants]
        return found

    def _psnr(self, split: str, variant: str, region: str) -> Headline:
        measured = self.run.measured(variant, split)
        value = measured and measured.number("images", region, "standard", "psnr")
        label = f"{variant}, {REGION[region]}"
        return (label, "–" if value is None else f"{value:.2f} dB", f"PSNR, {SPLITS[split].title}")

    def hero(self) -> Turntable | None:
        for motion in self.run.motions:
            table = self._turntable(self.run.variants[0], motion) if self.run.variants else None
            if table is not None and table.film is not None:
                return table
        return None

    def sections(self) -> list[Section]:
        crease = self.run.setting("evaluate", "crease") or 0.0
        return [
            Section("capture", "The capture", CHECKED, self._checks(), "The check"),
            Section("maps", "Canonical maps", MAPS, self._maps(), "Maps"),
            Section("avatars", "Avatars beside the truth", AVATARS, self._avatars(), "Pictures"),
            Section(
                "numbers", "Numbers", NUMBERS.format(crease=crease), self._numbers(), "Measures"
            ),
            Section("films", "Films", FILMS, self._films(), "Films"),
            Section("turn", "Gaussians to turn", TURN, self._turned(), "Gaussians"),
            Section("space", "The space of poses", SPACE, self._space(), "Films"),
        ]

    def _checks(self) -> list[Part]:
        parts: list[Part] = []
        for kind, found in self.run.checks.items():
            picture = self.assets.optional(read(self.run.check(kind, "png"), 1600))
            title = f"The body over {KINDS[kind]}"
            if picture is not None:
                parts.append(Sheet(title, picture, f"{title}: the body tinted over pictures"))
            cameras = found.get("cameras", {})
            if not cameras:
                continue
            worst = min(cameras, key=lambda name: cameras[name]["iou"])
            parts.append(
                Note(
                    f"{KINDS[kind].capitalize()}: overlap (IoU) of body and masks "
                    f"{found['iou']:.3f} over {len(cameras)} cameras, least for camera {worst}: "
                    f"{cameras[worst]['iou']:.3f}, with {100 * cameras[worst]['outside']:.0f} % of "
                    f"the body outside; {len(found.get('set_aside', {}))} pictures set aside."
                )
            )
        return parts

    def _maps(self) -> list[Part]:
        pictures = map_pictures(self.run.folder)
        if not pictures:
            return []
        shots = [shot(self.assets, caption, image) for caption, image in pictures.items()]
        return [Strip("Maps", shots, "Canonical maps")]

    def _avatars(self) -> list[Part]:
        run = self.run
        strips: list[Part] = []
        for split in run.splits:
            measured = [s for name in run.variants if (s := run.measured(name, split))]
            shown = measured[0].metrics.get("shown", {}) if measured else {}
            for name in _spread(sorted(shown), SHOWN):
                circles = shown[name]
                truth = read(measured[0].folder / "truth" / f"{name}.png")
                pictures = {s.variant: read(s.folder / "frames" / f"{name}.png") for s in measured}
                shots = [shot(self.assets, "truth", _marked(truth, circles))]
                shots += [
                    shot(self.assets, variant, _marked(picture, circles))
                    for variant, picture in pictures.items()
                ]
                first = next(iter(pictures.values()))
                error = error_map(first, truth)
                shots.append(shot(self.assets, f"error of {measured[0].variant}", error))
                camera, _, frame = name.rpartition("_")
                title = f"{SPLITS[split].title.capitalize()}: camera {camera}, frame {int(frame)}"
                strips.append(Strip(title, shots, title))
        return strips

    def _numbers(self) -> list[Part]:
        rows = self.run.table("avatars")
        grids: list[Grid | None] = []
        for split in self.run.splits:
            chosen = [row for row in rows if row.get("split") == split]
            columns = [
                (REGION[region], metric, {"region": region})
                for region in REGIONS
                for metric in LABELS
            ]
            title = SPLITS[split].title.capitalize()
            grids.append(grid(title, "", chosen, "variant", columns, labels=LABELS))
        return [one for one in grids if one is not None]

    def _films(self) -> list[Part]:
        run = self.run
        return [
            Films(
                motion.capitalize(),
                [Clip(v, self.assets.file(run.film(v, motion))) for v in run.asked],
                f"Films of {motion}",
            )
            for motion in run.motions
        ]

    def _turned(self) -> list[Part]:
        run = self.run
        tables = [
            self._turntable(variant, motion) for motion in run.motions for variant in run.asked[:1]
        ]
        return [table for table in tables[:TURNED] if table is not None]

    def _turntable(self, variant: str, motion: str) -> Turntable | None:
        run = self.run
        found = sorted(run.animation(variant, motion).glob("gaussians_*.ply"))
        film = self.assets.file(run.film(variant, motion))
        if film is None and not found:
            return None
        size = run.setting("animate", "size")
        viewer = (
            turned(
                self.assets,
                share(TURNED),
                size if isinstance(size, int) else 512,
                gaussians=found[len(found) // 2],
            )
            if self.viewer and found
            else None
        )
        return Turntable(f"{variant}, {motion}", film, viewer)

    def _space(self) -> list[Part]:
        rows = []
        for variant in self.run.asked:
            for motion in self.run.motions:
                found = self.run.filmed(variant, motion)
                if not found:
                    continue
                rows.append(
                    {
                        "avatar": variant,
                        "motion": motion,
                        "frames": str(found.get("frames", "–")),
                        "components": str(found.get("components") or "all"),
                        "sigma": f"{found.get('sigma', 0):g}",
                        "frames beyond sigma": f"{100 * found.get('beyond', 0):.0f} %",
                        "brought back by, cm": f"{100 * found.get('moved', 0):.1f}",
                        "farthest Gaussian, cm": f"{100 * found.get('largest_offset', 0):.1f}",
                    }
                )
        return [TextTable("Motions in the space of the training poses", rows)] if rows else []

    def methods(self) -> list[str]:
        """What was done, filled from the configuration."""
        names = ("capture", "avatar", "pretrain", "maps", "network", "animate")
        sections = {name: self.run.setting(name) for name in names}
        if not all(isinstance(one, Mapping) for one in sections.values()):
            return []
        capture, avatar, pretrain, maps, network, made = sections.values()
        seen = (
            f"The capture is {capture['root']} ({capture['layout']}), frames {capture['train']} "
            f"were trained on, {capture['test']} were measured."
            if capture["root"] is not None
            else "The capture is a stand-in's, with a random motion to train on and another one to "
            "measure."
        )
        loss = self.run.loss.get("loss")
        return [
            seen,
            f"Maps of {maps['size']} px; three StyleUNets with {network['top']} to "
            f"{network['cap']} channels see the front map of the pose at half that size. They were "
            f"pretrained for {pretrain['steps']:,} steps to give the start's attributes, then "
            f"trained for {avatar['steps']:,} steps of one picture with Adam; the rate falls from "
            f"{avatar['lr']:g} to {100 * avatar['floor']:g} % of it along a cosine.",
            "The loss is "
            + (
                str(loss)
                if loss
                else f"{avatar['l1']:g} · L1 + {avatar['lpips']:g} · a perceptual term + "
                f"{avatar['offset']:g} · the offsets' length"
            )
            + ".",
            f"Films project a pose on {made['components']} components of the training poses, "
            f"within {made['sigma']:g} deviations; measures take poses as they are.",
        ]


def _marked(image: np.ndarray | None, circles: list[list[float]]) -> np.ndarray | None:
    """A picture with circles, x, y and radius in longer edges of the picture."""
    if image is None:
        return None
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    edge = max(picture.size)
    width = max(1, round(edge / 256))
    for x, y, radius in (np.array(circle) * edge for circle in circles):
        if radius > 0:
            box = [x - radius, y - radius, x + radius, y + radius]
            draw.ellipse(box, outline=CIRCLE, width=width)
    return np.asarray(picture)


def _spread(names: list[str], count: int) -> list[str]:
    """Some of the names, from the first to the last."""
    chosen = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[i] for i in chosen]
