"""The sections of PoseGaussian's report: what goes in, the views between the cameras, numbers,
other angles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hgm.images.video import read_video
from hgm.report.content import Headline, Report
from hgm.report.parts import Beside, Frames, Part, Section, Strip, Turntable, shot
from hgm.report.pictures import error_map, read, sheet
from hgm.report.run import Subject
from hgm.report.viewer_data import share, turned
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.parts import HARD
from hgm.systems.posegaussian.report.numbers import calibration, headlines, numbers, others
from hgm.systems.posegaussian.report.run import PLAIN, Run, condition_of, scan_of
from hgm.systems.posegaussian.results import (
    DISPARITY,
    FILM,
    GAUSSIANS,
    TRUE_DISPARITY,
    novel_file,
)
from hgm.systems.posegaussian.rig import NOVEL
from hgm.systems.posegaussian.variants import VARIANTS

HEAT = {
    "fits": "the joints of the scans' fits",
    "files": "the joints, in pictures that were given",
    "predictions": "the joints that MMPose detected",
}
SHOWN = 4  # people
PICKED = 15  # pictures of a film to pick from
EDGE = 256
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
    "which two may be beside a photo, and for the one halfway alone."
)
OTHERS = (
    "The networks serve the angle between the cameras that they were trained at, {degrees}. The "
    "same test people at other angles{hard}: no network was trained for them. {pairs} of each "
    "person, which begin at the same places around it in every column."
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
        return headlines(self.run)

    def hero(self) -> Any:
        shown = [*self._people(), *self.run.captured]
        return self._turntable(shown[0]) if shown else None

    def sections(self) -> list[Section]:
        hard = " and in hard poses" if HARD in self.run.asked else ""
        count = self.run.setting("evaluate", "pairs")
        pairs = "All pairs" if count is None else "The first pair" + f"s, {count}" * (count > 1)
        degrees = "" if self.run.degrees is None else f"{self.run.degrees:g}°"
        found = [
            Section("pairs", "Photos and disparity", PAIRS, self._pairs(), "Pairs"),
            Section("between", "Between the cameras", BETWEEN, self._between(), "Films"),
            Section("novel", "Beside the truth", NOVEL_VIEWS, self._novel(), "Pictures"),
            Section("numbers", "Numbers", NUMBERS, numbers(self.run), "Measures"),
        ]
        if len(self.run.asked) > 1:
            lead = OTHERS.format(degrees=degrees, hard=hard, pairs=pairs)
            found.append(Section("others", "Other angles", lead, others(self.run), "Measures"))
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
            pair = self.run.rectified(subject)
            if pair is None:
                continue
            pictures = {
                "left photo": pair.images[0],
                "right photo": pair.images[1],
                **_heat(pair),
                "disparity": read(subject.file(DISPARITY)),
                "true disparity": read(subject.file(TRUE_DISPARITY)),
            }
            shots = [
                shot(self.assets, caption, picture)
                for caption, picture in pictures.items()
                if picture is not None
            ]
            parts.append(Strip(subject.name, shots, f"Photos and disparity of {subject.name}"))
        return [*parts, *calibration(self.run)]

    def _between(self) -> list[Part]:
        parts: list[Part] = []
        for subject in (*self._people(), *self.run.captured[:SHOWN]):
            picked = self._frames(subject)
            table = self._turntable(subject)
            parts.append(Beside([table] if picked is None else [picked, table]))
        return parts

    def _frames(self, subject: Subject) -> Frames | None:
        """Some pictures of a subject's film, from one camera to the other."""
        film = subject.file(FILM)
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
                gaussians=subject.file(GAUSSIANS),
            )
            if self.viewer
            else None
        )
        film = self.assets.file(subject.file(FILM))
        return Turntable(f"{subject.name}, {subject.variant}", film, viewer)

    def _novel(self) -> list[Part]:
        run = self.run
        parts: list[Part] = []
        for subject in self._people():
            others = {
                s.variant: s for s in run.subjects if s.name == subject.name and s is not subject
            }
            for view in NOVEL:
                ours = read(novel_file(subject.folder, view), EDGE)
                truth = read(run.true_view(subject, view), EDGE)
                pictures = {
                    "truth": truth,
                    subject.variant: ours,
                    **{name: read(novel_file(s.folder, view), EDGE) for name, s in others.items()},
                    f"error of {subject.variant}": error_map(ours, truth),
                }
                shots = [shot(self.assets, name, picture) for name, picture in pictures.items()]
                title = f"{subject.name}, view {view}"
                parts.append(Strip(title, shots, f"Variants of {title}"))
        return parts

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
        seen = (
            f"Each scan is seen by {pairs['per_scan']} pairs of cameras, {pairs['degrees']:g}° "
            f"apart and {pairs['distance']:g} m away,"
            if pairs["root"] is None
            else "The stereo pairs were given,"
        )
        found = [
            f"{seen} at {pairs['size']} px; the views between have twice that.",
            f"The disparity is refined {network['iterations']} times. It was trained for "
            f"{depth['steps']:,} steps of {depth['batch']}, then together with the Gaussians for "
            f"{maps['steps']:,} steps of {maps['batch']} by the views between, with "
            f"{maps['l1']:g} · L1 + {maps['ssim']:g} · (1 − SSIM).",
            f"AdamW; the rate {_schedule(depth)} for the disparity, {_schedule(maps)} for the "
            "Gaussians.",
        ]
        if self.run.heat:
            found.append(
                f"Heat maps ({heat['encoding']}) are discs of {heat['radius']:g} px at 1024 px "
                f"around {HEAT[heat['source']]}."
            )
        return found


def _schedule(section: Mapping[str, Any]) -> str:
    """How a training's rate rises and falls."""
    steps = section["horizon"] or section["steps"]
    return (
        f"rises to {section['lr']:g} over {round(section['warmup'] * steps):,} steps and falls in "
        f"a line towards step {steps:,}"
    )


def _heat(pair: RectifiedPair) -> dict[str, np.ndarray]:
    """The left heat map as a picture, where there is one."""
    if pair.heat is None:
        return {}
    left = pair.heat[0]
    return {
        "heat map": left if left.shape[-1] == 3 else np.repeat(left.max(-1, keepdims=True), 3, -1)
    }
