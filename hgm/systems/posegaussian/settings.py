"""PoseGaussian's configuration, made of its sections. Defaults are the paper's values, or the
release's where the paper is silent; the presets in `config/posegaussian/` hold what differs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import Section, described
from hgm.errors import InputError
from hgm.metrics.settings import PerceptualWeights
from hgm.scans.settings import Scans
from hgm.systems.posegaussian.variants import VARIANTS, Fusion
from hgm.systems.posegaussian.widths import WIDTHS
from hgm.train.settings import Optimization
from hgm.workflow.configuration import RunConfig

FACTOR = max(widths.factor for widths in WIDTHS.values())  # pictures are a multiple of it
Degrees = Annotated[float, Field(gt=0, lt=180)]
Spacing = Annotated[Degrees, Field(multiple_of=0.1)]  # stands in the names of files


class Rig(Section):
    """Where the cameras of a pair stand (GPS-Gaussian's renderer)."""

    degrees: Degrees = described(
        22.5,
        "angle between the two cameras; the networks serve the angle that they were trained at",
    )
    distance: float = described(2.0, "of the cameras to their target, meters", gt=0.6)
    target: float = described(0.85, "height of the target over the feet, meters")
    pitch: float = described(8.0, "by which the cameras look down, degrees", gt=-80, lt=80)
    focal: float = described(0.8, "focal length in widths of the picture", gt=0)
    below: float = described(
        25 / 1024, "principal point below the picture's center, in heights of the picture"
    )


class Pairs(Rig):
    """The stereo pairs of a scan and their views."""

    root: str | None = described(
        None,
        "folder render_data with train, val and test, each with img, mask, parm and depth, that "
        "somebody else made; null: rendered from the scans",
    )
    per_scan: int = described(16, "pairs of a scan", ge=1, le=1000)
    size: int = described(
        1024,
        f"edge of the sources in pixels, a multiple of {FACTOR}; novel views have twice that",
        ge=32,
        multiple_of=FACTOR,
    )
    samples: int = described(16, "samples of Cycles for each pixel", ge=1)
    device: Literal["cpu", "gpu", "auto"] = described("cpu", "device of Cycles")


class HeatMaps(Section):
    """The pictures of a person's joints, which the network sees beside the photos."""

    source: Literal["fits", "files", "predictions"] = described(
        "fits",
        "fits: joints of the SMPL-X fits; files: pictures that are there; predictions: MMPose's "
        "JSON files",
    )
    folder: str | None = described(
        None,
        "folder of the files or predictions, laid out as img; null: heatmap beside img in "
        "pairs.root and capture.root",
    )
    encoding: Literal["jet3", "gray1", "coco17"] = described(
        "jet3",
        "jet3: false colors (release); gray1: one plane of all joints; coco17: a plane each",
    )
    radius: float = described(30.0, "radius of a joint's disc at 1024 pixels", gt=0)
    blur: float = described(41.0, "width of each of the three blurs at 1024 pixels", ge=1)


class Rectify(Section):
    """How the two views of a pair are turned so that their rows correspond."""

    centers: Literal["half", "integer", "exact"] = described(
        "exact",
        "where a pixel's center is: exact: at +0.5; half: at 0 for OpenCV, at +0.5 when depth "
        "becomes points (GPS-Gaussian); integer: at 0 for both",
    )


class Network(Section):
    """The network."""

    preset: Literal["paper", "small"] = described("paper", "widths of all layers")
    iterations: int = described(3, "refinements of the disparity", ge=1)
    rotate_by_camera: bool = described(
        False, "turn each Gaussian's rotation with its camera; false: as released"
    )
    largest: float = described(
        0.01,
        "largest scale of a Gaussian at 1024 pixels, meters; larger the fewer pixels there are",
        gt=0,
    )
    precision: Literal["fp32", "bf16"] = described(
        "fp32", "autocast inside the network; bf16 needs a GPU (the release used float16)"
    )


class Depth(Optimization):
    """The first training: disparity alone."""

    steps: int = described(50_000, "optimizer steps", ge=1)
    lr: float = described(2e-4, "peak learning rate", gt=0)
    weight_decay: float = described(1e-5, "AdamW weight decay", ge=0)
    batch: int = described(2, "pairs in a step", ge=1)
    warmup: float = described(0.01, "share of the horizon with a rising rate", gt=0, lt=1)
    horizon: int | None = described(
        100_100, "steps over which the rate falls; null: those of the training", ge=1
    )
    validate_every: int = described(
        2000, "steps between measurements of the validation pairs", ge=0
    )


class Maps(Optimization):
    """The second training: disparity and maps of Gaussians, by the views between."""

    steps: int = described(150_000, "optimizer steps", ge=1)
    lr: float = described(2e-4, "peak learning rate", gt=0)
    weight_decay: float = described(1e-5, "AdamW weight decay", ge=0)
    batch: int = described(1, "pairs in a step", ge=1)
    warmup: float = described(0.01, "share of the horizon with a rising rate", gt=0, lt=1)
    horizon: int | None = described(
        150_100, "steps over which the rate falls; null: those of the training", ge=1
    )
    validate_every: int = described(
        5000, "steps between measurements of the validation pairs", ge=0
    )
    disparity: float = described(1.0, "weight of the disparity's error", ge=0)
    l1: float = described(0.8, "weight of the pictures' absolute error", ge=0)
    ssim: float = described(0.2, "weight of 1 - SSIM", ge=0)


class Between(Section):
    """The views between the cameras of a pair."""

    frames: int = described(30, "frames of the film from one camera to the other", ge=2)
    fps: int = described(30, "frames a second", ge=1)


class Evaluate(Section):
    """Which variants are made, and on what they are measured."""

    variants: list[Fusion] = described(
        list(VARIANTS), "what becomes of the heat maps; the first is shown first", min_length=1
    )
    spacings: list[Spacing] = described(
        [30.0, 45.0],
        "other angles between the cameras at which the test scans are measured too, multiples of "
        "0.1 degrees",
    )
    hard: str = described(
        "",
        "test scans that count as hard: ids and ranges; stand-ins cross their arms or hold their "
        "hands before the body",
    )
    pairs: int | None = described(
        None,
        "pairs of a test scan at each other angle, and of each hard one, the first ones of "
        "pairs.per_scan; null: all",
        ge=1,
    )


class Capture(Section):
    """Photos of a real rig, of which no depth is known."""

    root: str | None = described(
        None, "folder real_data with img/<frame>/<camera>.jpg, mask and parm; null: none"
    )
    cameras: list[str] = described(
        ["0", "1"], "names of the two source cameras", min_length=2, max_length=2
    )


class Config(RunConfig):
    """Everything that decides a run of PoseGaussian."""

    compat: Literal["repaired", "released"] = described(
        "repaired",
        "released: the release's faults, a fusion that is drawn anew among them in every variant "
        "with heat maps (docs/deviations-posegaussian.md)",
    )
    scans: Scans = described(Scans(), "the scans of people to train and test on")
    pairs: Pairs = described(Pairs(), "stereo pairs of the scans")
    heatmaps: HeatMaps = described(HeatMaps(), "pictures of the joints")
    rectify: Rectify = described(Rectify(), "rectification of the pairs")
    network: Network = described(Network(), "the network")
    depth: Depth = described(Depth(), "training of the disparity")
    maps: Maps = described(Maps(), "training of the Gaussians")
    between: Between = described(Between(), "films between the cameras")
    evaluate: Evaluate = described(Evaluate(), "variants and measures")
    capture: Capture = described(Capture(), "photos of a real rig")
    weights: PerceptualWeights = described(
        PerceptualWeights(), "published weights of metrics that a user brings"
    )

    def check(self) -> None:
        """Raises InputError for values that are valid one by one but contradict each other."""
        if self.compat == "released" and {"learned", "released_random"} <= set(
            self.evaluate.variants
        ):
            raise InputError(
                "evaluate.variants: with compat: released, learned and released_random are the "
                "same network; leave learned out"
            )
        spacings = [round(degrees, 1) for degrees in self.evaluate.spacings]
        if self.pairs.degrees in spacings:
            raise InputError(
                f"evaluate.spacings: {self.pairs.degrees:g} is pairs.degrees, which is measured "
                "anyway; expected other angles"
            )
        if len(set(spacings)) < len(spacings):
            raise InputError("evaluate.spacings: an angle stands in it twice")
        if self.pairs.root is not None and (self.evaluate.spacings or self.evaluate.hard):
            raise InputError(
                "pairs.root: pairs that somebody else rendered have one angle and no other poses; "
                "set evaluate.spacings: [] and leave evaluate.hard out"
            )
        if self.heatmaps.source == "files" and {self.heatmaps.folder, self.pairs.root} == {None}:
            raise InputError(
                "heatmaps.folder: source: files needs the folder of the pictures, "
                "<scan>_<pair>/0.png and 1.png, for pairs that are rendered here "
                "(docs/posegaussian.md)"
            )
        if self.heatmaps.source == "predictions" and self.heatmaps.folder is None:
            raise InputError(
                "heatmaps.folder: source: predictions needs the folder of MMPose's JSON files "
                "(docs/posegaussian.md)"
            )
        if self.evaluate.pairs is not None and self.evaluate.pairs > self.pairs.per_scan:
            raise InputError(
                f"evaluate.pairs: {self.evaluate.pairs} of the {self.pairs.per_scan} pairs of a "
                "scan, pairs.per_scan; expected at most all of them"
            )
        if len(set(self.capture.cameras)) < 2:
            raise InputError("capture.cameras: the same camera twice; expected two")
