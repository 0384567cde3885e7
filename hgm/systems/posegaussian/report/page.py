"""The sections of PoseGaussian's report: what goes in, the views between the cameras, numbers,
other angles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hgm.images.video import read_video
from hgm.report.content import Headline, Report
from hgm.report.grids import Grid, Label, grid
from hgm.report.paper import MEAN
from hgm.report.parts import Beside, Frames, Note, Part, Section, Strip, Turntable, shot
from hgm.report.pictures import error_map, read, sheet
from hgm.report.run import Subject
from hgm.report.viewer_data import share, turned
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.report.run import PLAIN, Run, condition_of, scan_of
from hgm.systems.posegaussian.report.tables import DISPARITY, IMAGE, REGIONS
from hgm.systems.posegaussian.variants import VARIANTS

LABELS: Mapping[str, Label] = {
    "psnr": ("PSNR", 2, "higher"),
    "ssim": ("SSIM", 3, "higher"),
    "lpips": ("LPIPS", 4, "lower"),
    **{f"psnr{end}": ("PSNR", 2, "higher") for end in REGIONS.values() if end},
    "epe": ("EPE, px", 2, "lower"),
    "under_1": ("under 1 px", 3, "higher"),
    "under_3": ("under 3 px", 3, "higher"),
}
TITLES = {
    "full": "whole picture over black",
    "person_box": "person's box",
    "halfway_full": "halfway, whole picture",
    "halfway_person_box": "halfway, person's box",
}
METHODS = {
    **{name: f"{name}: {variant.title}" for name, variant in VARIANTS.items()},
    "copy_nearest": "the nearer photo",
    "oracle": "round Gaussians at the true depth",
}
SHOWN = 4  # people
PICKED = 15  # pictures of a film to pick from
EDGE = 256
NOVEL = (2, 3, 4)
PAIRS = (
    "Both photos after rectification: a point of the person is in the same row of both. Heat maps "
    "of the joints go in beside them; the disparity comes out, for each pixel its way to the other "
    "photo."
)
BETWEEN = (
    "The slider moves from the left camera to the right one; both photos are the only input. "
    "Beside it, the Gaussians themselves, one for each pixel of the person in either photo. Seen "
    "from far outside the two cameras they have gaps: nobody saw that side."
)
NOVEL_VIEWS = (
    "Three cameras between the two that the networks have not seen for these people: the truth, "
    "each variant, and where the first one is off."
)
NUMBERS = (
    "Means over the test pairs, in the whole picture over black and in the box around the true "
    "person, which is about 5 dB less for the same pictures; over all three views between, of "
    "which two may be beside a photo, and for the one halfway alone. Warped points show what the "
    "predicted depth does alone, the true depth what any depth could."
)
OTHERS = (
    "The networks serve the angle between the cameras that they were trained at, {degrees}. The "
    "same test people at other angles{hard}: no network was trained for them."
)


class StereoReport(Report):
    """The content of the report of a run of PoseGaussian."""

    SYSTEM = "posegaussian"
    KICKER = "Two calibrated photos to every view between them"
    LEAD = (
        "Two photos of neighboring cameras in, 3D Gaussians of the person out in one pass: data, "
        "training, views between the cameras and measurement of this run on one page."
    )
    STAGES: ClassVar[Mapping[str, str]] = {
        f"{stage} {name}": f"{title} ({name})"
        for stage, title in (("depth", "Disparity"), ("gaussian_maps", "Maps of Gaussians"))
        for name in VARIANTS
    }
    run: Run

    def chips(self) -> list[tuple[int, str]]:
        return [(len(self._plain()), "test pairs"), (len(self.run.variants), "variants")]

    def headlines(self) -> list[Headline]:
        """The first variant's means, and what it has to be better than."""
        run = self.run
        if not run.variants:
            return []
        main = run.variants[0]
        rows = [
            ("PSNR", main, "psnr", "{:.2f} dB", "whole picture over black"),
            ("In the box", main, "psnr_box", "{:.2f} dB", "PSNR around the person"),
            ("EPE", main, "epe", "{:.2f} px", "error of the disparity"),
            ("Halfway", main, "psnr_halfway", "{:.2f} dB", "PSNR of the middle view"),
            ("Nearer photo", "copy_nearest", "psnr_halfway", "{:.2f} dB", "the same, baseline"),
        ]
        means = {
            row["method"]: row for row in run.table("spacing") if row.get("condition") == PLAIN
        }
        found = []
        for label, method, column, form, remark in rows:
            text = means.get(method, {}).get(column)
            found.append(
                (label, form.format(float(text)), remark) if text else (label, "–", "not available")
            )
        return found

    def hero(self) -> Any:
        shown = [*self._people(), *self.run.captured]
        return self._turntable(shown[0]) if shown else None

    def sections(self) -> list[Section]:
        hard = " and in hard poses" if "hard" in self.run.asked else ""
        degrees = "" if self.run.degrees is None else f"{self.run.degrees:g}°"
        found = [
            Section("pairs", "Photos and disparity", PAIRS, self._pairs(), "Pairs"),
            Section("between", "Between the cameras", BETWEEN, self._between(), "Films"),
            Section("novel", "Beside the truth", NOVEL_VIEWS, self._novel(), "Pictures"),
            Section("numbers", "Numbers", NUMBERS, self._numbers(PLAIN), "Measures"),
        ]
        if len(self.run.asked) > 1:
            lead = OTHERS.format(degrees=degrees, hard=hard)
            found.append(Section("others", "Other angles", lead, self._others(), "Measures"))
        return found

    def _plain(self) -> list[Subject]:
        """Measured pairs of the first variant, without a condition."""
        return [s for s in self.run.main if condition_of(s) == PLAIN]

    def _people(self) -> list[Subject]:
        """The first pair of each of some test people, by the first variant."""
        first: dict[str, Subject] = {}
        for subject in self._plain():
            first.setdefault(scan_of(subject), subject)
        return list(first.values())[:SHOWN]

    def _pairs(self) -> list[Part]:
        parts: list[Part] = []
        for subject in (*self._people(), *self.run.captured[:SHOWN]):
            pair = self.run.pair(subject)
            if pair is None:
                continue
            pictures = {
                "left photo": pair.images[0],
                "right photo": pair.images[1],
                **_heat(pair),
                "disparity": read(subject.file("disparity.png")),
                "true disparity": read(subject.file("disparity_truth.png")),
            }
            shots = [
                shot(self.assets, caption, picture)
                for caption, picture in pictures.items()
                if picture is not None
            ]
            parts.append(Strip(subject.name, shots, f"Photos and disparity of {subject.name}"))
        return parts

    def _between(self) -> list[Part]:
        parts: list[Part] = []
        for subject in (*self._people(), *self.run.captured[:SHOWN]):
            picked = self._frames(subject)
            table = self._turntable(subject)
            parts.append(Beside([table] if picked is None else [picked, table]))
        return parts

    def _frames(self, subject: Subject) -> Frames | None:
        """Some pictures of a subject's film, from one camera to the other."""
        film = subject.file("between.mp4")
        if film is None:
            return None
        frames = list(read_video(film))
        chosen = np.linspace(0, len(frames) - 1, min(PICKED, len(frames))).round().astype(int)
        strip = sheet([[frames[i] for i in chosen]], EDGE, 0)
        if strip is None:
            return None
        return Frames(
            f"{subject.name}, between the cameras",
            self.assets.picture(strip),
            len(chosen),
            ("left camera", "right camera"),
            f"Views of {subject.name} from the left camera to the right one",
        )

    def _turntable(self, subject: Subject) -> Turntable:
        size = self.run.setting("pairs", "size")
        viewer = (
            turned(
                self.assets,
                share(SHOWN),
                size if isinstance(size, int) else EDGE,
                gaussians=subject.file("gaussians.ply"),
            )
            if self.viewer
            else None
        )
        film = self.assets.file(subject.file("between.mp4"))
        return Turntable(f"{subject.name}, {subject.variant}", film, viewer)

    def _novel(self) -> list[Part]:
        run = self.run
        parts: list[Part] = []
        for subject in self._people():
            others = {
                s.variant: s for s in run.subjects if s.name == subject.name and s is not subject
            }
            for view in NOVEL:
                ours = read(subject.file(f"novel_{view}.png"), EDGE)
                truth = read(run.true_view(subject, view), EDGE)
                pictures = {
                    "truth": truth,
                    subject.variant: ours,
                    **{name: read(s.file(f"novel_{view}.png"), EDGE) for name, s in others.items()},
                    f"error of {subject.variant}": error_map(ours, truth),
                }
                shots = [shot(self.assets, name, picture) for name, picture in pictures.items()]
                title = f"{subject.name}, view {view}"
                parts.append(Strip(title, shots, f"Variants of {title}"))
        return parts

    def _numbers(self, condition: str) -> list[Part]:
        """Pictures and disparity of one condition."""
        rows = [
            row
            for row in self.run.table("novel_views")
            if row.get("condition") == condition and row.get("subject") == MEAN
        ]
        columns = [
            (TITLES[region], metric, {"definition": region})
            for region in REGIONS
            for metric in IMAGE
        ]
        errors = [
            row
            for row in self.run.table("disparity")
            if row.get("condition") == condition and row.get("subject") == MEAN
        ]
        grids = (
            grid("Views between", "", rows, "method", columns, labels=LABELS, row_name=_title),
            grid(
                "Disparity",
                "On pixels that both photos may see, over both directions.",
                errors,
                "method",
                [("pixels", metric, {}) for metric in DISPARITY],
                labels=LABELS,
                row_name=_title,
            ),
        )
        return [one for one in grids if one is not None]

    def _others(self) -> list[Part]:
        """One table for each measure, a column for each condition."""
        rows = self.run.table("spacing")
        conditions = [c for c in self.run.asked if any(r.get("condition") == c for r in rows)]
        found: list[Grid | None] = [
            grid(
                title,
                "",
                rows,
                "method",
                [(self._condition(c), column, {"condition": c}) for c in conditions],
                labels=LABELS,
                row_name=_title,
            )
            for title, column in (
                ("Whole picture", "psnr"),
                ("Person's box", "psnr_box"),
                ("Halfway, whole picture", "psnr_halfway"),
                ("Disparity", "epe"),
            )
        ]
        parts: list[Part] = [one for one in found if one is not None]
        if parts and "hard" in conditions:
            parts.append(Note("Hard: arms crossed, or hands held before the body."))
        return parts

    def _condition(self, name: str) -> str:
        if name == PLAIN:
            return "as trained" if self.run.degrees is None else f"{self.run.degrees:g}°, trained"
        return f"{name[1:]}°" if name[1:].replace(".", "").isdigit() else name

    def judged(self, paper: Mapping[str, Any] | None) -> tuple[str, bool]:
        if self.run.dataset == "thuman2_45":
            return (
                "This run measures THuman2.0 with cameras 45° apart. Which scans the published "
                "tables are of is known for GPS-Gaussian only.",
                True,
            )
        return super().judged(paper)

    def methods(self) -> list[str]:
        """What was done, filled from the configuration."""
        sections = {
            name: self.run.setting(name)
            for name in ("pairs", "depth", "maps", "network", "heatmaps")
        }
        if not all(isinstance(one, Mapping) for one in sections.values()):
            return []
        pairs, depth, maps, network, heat = sections.values()
        return [
            f"Each scan is seen by {pairs['per_scan']} pairs of cameras, {pairs['degrees']:g}° "
            f"apart and {pairs['distance']:g} m away, at {pairs['size']} px; the views between "
            "have twice that.",
            f"The disparity is refined {network['iterations']} times. It was trained for "
            f"{depth['steps']:,} steps of {depth['batch']}, then together with the Gaussians for "
            f"{maps['steps']:,} steps of {maps['batch']} by the views between, with "
            f"{maps['l1']:g} · L1 + {maps['ssim']:g} · (1 − SSIM).",
            f"Heat maps ({heat['encoding']}) are discs of {heat['radius']:g} px at 1024 px around "
            f"the joints, from {heat['source']}.",
            "AdamW with a peak rate of "
            f"{depth['lr']:g}, which rises over {100 * depth['warmup']:.0f} % of the steps and "
            "falls in a line.",
        ]


def _heat(pair: RectifiedPair) -> dict[str, np.ndarray]:
    """The left heat map as a picture, where there is one."""
    if pair.heat is None:
        return {}
    left = pair.heat[0]
    return {
        "heat map": left if left.shape[-1] == 3 else np.repeat(left.max(-1, keepdims=True), 3, -1)
    }


def _title(method: str) -> str:
    name, _, rest = method.partition(" ")
    return f"{name}: its depth alone" if rest else METHODS.get(method, method)
