"""MonoGaussianAvatar's configuration, made of its sections. Defaults are the paper's values, or the
release's where the paper is silent; the presets in `config/monogaussian/` hold what differs."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import FileName, Section, described
from hgm.errors import InputError
from hgm.metrics.settings import PerceptualWeights
from hgm.systems.monogaussian.variants import VARIANTS
from hgm.workflow.configuration import RunConfig

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Protocol = Literal["frozen", "imavatar"]
# cameras that no training sees: degrees by which they are turned about the head, to the person's
# left
HELD_OUT_CAMERAS = {"right_25": -25.0, "right_15": -15.0, "left_15": 15.0, "left_25": 25.0}


class Video(Section):
    """The video of a head: clips of one subject in IMavatar's format, or of a stand-in."""

    root: str | None = described(
        None,
        "folder with <subject>/<subject>/<clip>/flame_params.json; null: a stand-in's video, which "
        "the run makes",
    )
    subject: Name = described("subject1", "name of the subject's folder")
    train: list[Name] = described(["train"], "clips to train on", min_length=1)
    test: Name = described("test", "clip to measure on; never trained on")
    models: str | None = described(
        None,
        "folder with FLAME 2020's generic_model.pkl; null: the stand-in head, which the run writes",
    )
    size: int = described(512, "edge of the pictures in pixels (paper)", ge=16)


class Staging(Section):
    """What one clip of a stand-in shows."""

    person: int = described(7, "seed of the stand-in person", ge=0)
    texture: int = described(2048, "edge of its texture in pixels", ge=128)
    held_out_every: int = described(
        8,
        "every so many frames of the test clip are also seen by four other cameras; 0: none",
        ge=0,
    )
    lone: int = described(
        5,
        "expressions that the test clip's person also shows alone, at their two ends; 0: none",
        ge=0,
        le=5,
    )
    pose_noise: float = described(
        0.0, "error that the training clips' poses are given, deviation in degrees", ge=0
    )
    expression_noise: float = described(
        0.0, "error of their expressions, as a share of each coefficient's deviation", ge=0
    )


class Standin(Staging):
    """The stand-in's video."""

    train_frames: int = described(3000, "frames of a training clip", ge=2)
    test_frames: int = described(750, "frames of the test clip", ge=2)


class Band(Section):
    """From a share of the training on: how many points there are and how large they are."""

    start: float = described(..., "share of the training at which it begins", ge=0, lt=1)
    points: int = described(..., "points of the avatar", ge=1)
    radius: float = described(..., "added to the scale of each Gaussian, head units", gt=0)


def _bands() -> list[Band]:
    """The release's course over 100 epochs: 400 points to 100,000, and from epoch 60 on a radius
    that shrinks by a quarter every 5 epochs."""
    rows = [
        (0.0, 400, 0.0844),
        (0.05, 800, 0.0633),
        (0.10, 1600, 0.0475),
        (0.15, 3200, 0.0356),
        (0.20, 6400, 0.0267),
        (0.25, 10000, 0.0200),
        (0.30, 20000, 0.0150),
        (0.40, 40000, 0.0113),
        (0.50, 80000, 0.0084),
    ]
    last = [(0.60 + 0.05 * i, 100000, 0.0084 * 0.9 * 0.75**i) for i in range(8)]
    return [Band(start=s, points=n, radius=round(r, 7)) for s, n, r in [*rows, *last]]


class Avatar(Section):
    """The avatar's networks, points and training."""

    deformer_width: int = described(128, "channels of the deformer's layers", ge=4)
    geometry_width: int = described(256, "channels of the geometry network's layers", ge=16)
    correction_width: int = described(64, "channels of the correction network's layers", ge=4)
    frequencies: int = described(6, "frequencies of the positions' encoding", ge=1)
    scale: float = described(
        0.025,
        "largest scale of a Gaussian at 512 pixels, head units; grows as pictures shrink",
        gt=0,
    )
    epochs: int = described(
        100,
        "passes over all training frames, of which the bands are shares",
        ge=1,
    )
    batch: int = described(8, "frames in a step, at most", ge=1)
    batch_points: int = described(102400, "points in a step, over all its frames, at most", ge=1)
    bands: list[Band] = described(_bands(), "the course of points and radii", min_length=1)
    least_opacity: float = described(
        0.1, "points whose opacity never reached this in an epoch are dropped", ge=0, lt=1
    )
    warm_steps: int = described(
        0,
        "steps in which the deformer first learns the head model's motion, without pictures (0 as "
        "released)",
        ge=0,
    )
    lr: float = described(1e-4, "learning rate of networks and points", gt=0)
    deformer_lr: float = described(1e-4, "that of the deformer", gt=0)
    lr_milestones: list[Share] = described(
        [0.8, 1.0], "shares of the training after which the rate is halved"
    )
    tracking_lr: float = described(
        5e-4, "learning rate of each frame's expression and pose; 0: they stay", ge=0
    )
    shift_lr: float = described(
        5e-4, "learning rate of each frame's camera shift; 0: cameras stay", ge=0
    )
    tracking_prior: float = described(
        0.0,
        "weight of the squares by which a frame's numbers depart from what was tracked, which "
        "keeps those that pictures hardly show (0 as released)",
        ge=0,
    )
    tracking_start: float = described(
        0.11, "share of the training from which these are learned", ge=0, le=1
    )
    ssim: float = described(0.25, "weight of 1 - SSIM", ge=0)
    vgg: float = described(0.1, "weight of the VGG loss; left out without weights.vgg16", ge=0)
    flame: float = described(
        10.0, "weight of the losses towards the head model, at the start", ge=0
    )
    flame_milestones: list[Share] = described(
        [0.2, 0.3, 0.5, 0.7], "shares of the training after which that weight is halved"
    )
    variance_floor: float = described(
        1e-4, "least variance of an expression's coefficient in its loss", gt=0
    )


class Evaluate(Section):
    """Which variants are made, and how they are measured."""

    variants: list[
        Literal["full", "no_correction", "no_expression", "bound", "given_tracking", "released"]
    ] = described(
        [name for name in VARIANTS if name != "given_tracking"],
        "avatars to make; the first is shown first",
        min_length=1,
    )
    protocols: list[Protocol] = described(
        ["frozen", "imavatar"],
        "frozen: the test clip's own parameters; imavatar: expression and pose are first fitted to "
        "the test pictures, as released",
        min_length=1,
    )
    refine_steps: int = described(20, "steps of that fit", ge=1)
    refine_lr: float = described(5e-4, "learning rate of that fit", gt=0)


class Animate(Section):
    """What the avatars are driven by."""

    drivers: list[Name] = described(
        ["sweep", "orbit"],
        "sweep: one expression at a time; orbit: around the head; else a clip of the subject",
    )
    files: list[FileName] = described([], "flame_params.json files of other clips to drive by")
    frames: int = described(90, "frames of a sweep or an orbit", ge=2)
    size: int = described(512, "edge of a film's pictures in pixels", ge=16)
    fps: int = described(30, "frames a second", ge=1)


class Config(RunConfig):
    """Everything that decides a run of MonoGaussianAvatar."""

    compat: Literal["repaired", "released"] = described(
        "repaired",
        "released: all variants have the release's faults (docs/deviations-monogaussian.md)",
    )
    video: Video = described(Video(), "the video of a head")
    standin: Standin = described(Standin(), "the stand-in's video")
    avatar: Avatar = described(Avatar(), "the avatar and its training")
    evaluate: Evaluate = described(Evaluate(), "variants and measures")
    animate: Animate = described(Animate(), "films of the avatars")
    weights: PerceptualWeights = described(
        PerceptualWeights(), "published weights of metrics and losses that a user brings"
    )

    def check(self) -> None:
        """Raises InputError for values that are valid one by one but contradict each other."""
        video = self.video
        if video.test in video.train:
            raise InputError(
                f"video.test: the clip {video.test} is in video.train too; what is measured must "
                "not be trained on"
            )
        if len(set(video.train)) < len(video.train):
            raise InputError("video.train: a clip is named twice")
        if video.root is not None and video.models is None:
            raise InputError(
                "video.models: a real video needs FLAME 2020, whose parameters it holds; give the "
                "folder of generic_model.pkl (docs/monogaussian.md)"
            )
        if video.root is None and video.models is not None:
            raise InputError(
                "video.models: a stand-in's video has the parameters of the stand-in's head, which "
                "the run writes; leave video.models out, or give video.root"
            )
        bands = self.avatar.bands
        if bands[0].start != 0 or any(b.start <= a.start for a, b in pairwise(bands)):
            raise InputError("avatar.bands: expected rising starts, the first of them 0")
        encoded = 3 + 6 * self.avatar.frequencies
        if self.avatar.geometry_width <= encoded:
            raise InputError(
                f"avatar.geometry_width: {self.avatar.geometry_width} channels leave none beside "
                f"the {encoded} of the encoded position; expected more, or fewer "
                "avatar.frequencies"
            )
