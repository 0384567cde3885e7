"""Animatable Gaussians' configuration, made of its sections. Defaults are the paper's values, or
the release's where the paper is silent; the presets in `config/animatable/` hold what differs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hgm.core.settings import FileName, Section, described
from hgm.errors import InputError
from hgm.metrics.settings import Weights
from hgm.systems.animatable.layout import frames_of
from hgm.systems.animatable.variants import VARIANTS
from hgm.train.settings import Optimization
from hgm.workflow.configuration import RunConfig

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Frames = Annotated[str, Field(pattern=r"^\d+-\d+(:\d+)?$")]
Layout = Literal["avatarrex", "thuman4", "actorshq"]
LOWEST = 8  # edge of the networks' lowest level
MOST_COMPONENTS = 64  # of the space of poses that are kept


class Capture(Section):
    """The multi-view video of one person: pictures, masks, cameras and SMPL-X of each frame."""

    root: str | None = described(
        None, "folder of the capture; null: a stand-in's, which the run makes"
    )
    layout: Layout = described("avatarrex", "whose files it has")
    train: Frames = described(
        "0-1999", "frames to train on, first and last, and :n for every n-th of them"
    )
    test: Frames = described("2000-2499", "frames to measure on; never trained on")
    cameras: list[Name] = described(
        [], "cameras to train on; empty: all but those held out", max_length=1000
    )
    held_out: list[Name] = described([], "cameras to measure on; never trained on")
    models: str | None = described(
        None,
        "folder with smplx/SMPLX_<GENDER>.npz; null: the stand-in body, which the run writes",
    )
    gender: Literal["neutral", "male", "female"] = described("neutral", "which of its files")


class Standin(Section):
    """The stand-in's capture."""

    person: int = described(
        87, "seed of the stand-in person; one of light clothes and skin shows its creases", ge=0
    )
    texture: int = described(2048, "edge of its texture in pixels", ge=128)
    train_frames: int = described(2000, "frames of the motion to train on", ge=2)
    test_frames: int = described(500, "frames of the held-out motion", ge=1)
    cameras: int = described(14, "cameras to train on", ge=1, le=99)
    held_out: int = described(2, "cameras that no training sees", ge=1, le=99)
    width: int = described(1500, "width of the pictures in pixels", ge=16)
    height: int = described(2048, "height of the pictures in pixels", ge=16)
    creases: float = described(
        0.7,
        "how much elbows and knees darken as they bend, a stated effect of the pose",
        ge=0,
        le=1,
    )
    motion: Literal["walk", "wave", "dance", "squat", "stretch"] = described(
        "dance", "the held-out motion"
    )
    samples: int = described(16, "samples of Cycles for each pixel", ge=1)


class Template(Section):
    """The surface that the maps are made of."""

    source: Literal["body", "file"] = described(
        "body", "body: SMPL-X's; file: a closed mesh in the star pose, for loose clothes"
    )
    file: str | None = described(None, "that mesh, in meters: .ply or .obj")
    grid: int = described(
        128, "cells along an edge of the volume that carries the body's weights to it", ge=16
    )


class Maps(Section):
    """The two canonical maps, front and back."""

    size: Literal[32, 64, 128, 256, 512, 1024, 2048] = described(
        1024, "edge of a map; the networks see half of it, down to 8 pixels at their lowest level"
    )


class Network(Section):
    """The three StyleUNets."""

    top: int = described(64, "channels at the largest level", ge=4)
    cap: int = described(512, "channels at most", ge=8)
    style: int = described(512, "width of the style vector", ge=8)
    precision: Literal["fp32", "bf16"] = described(
        "fp32", "autocast inside the networks; bf16 needs a GPU"
    )


class Pretraining(Optimization):
    """Training of the networks to give the start's attributes, without pictures."""

    steps: int = described(5000, "optimizer steps", ge=1)
    lr: float = described(5e-4, "learning rate", gt=0)
    weight_decay: float = described(0.0, "Adam's weight decay", ge=0)
    clip: float = described(1e9, "largest gradient norm; none as released", gt=0)


class Avatar(Optimization):
    """Training by the pictures."""

    steps: int = described(800_000, "optimizer steps", ge=1)
    lr: float = described(5e-4, "learning rate at the start", gt=0)
    floor: float = described(0.05, "share of the rate that is left at the end", ge=0, le=1)
    weight_decay: float = described(0.0, "Adam's weight decay", ge=0)
    clip: float = described(1e9, "largest gradient norm; none as released", gt=0)
    l1: float = described(1.0, "weight of the absolute error", ge=0)
    lpips: float = described(
        0.1, "weight of LPIPS; without weights.lpips, of 1 - SSIM in its place", ge=0
    )
    patch: int = described(512, "edge of the crop that LPIPS sees, in pixels", ge=16)
    whole: float = described(
        0.375, "share of the training in which that crop is the whole person", ge=0, le=1
    )
    ring: Literal[1, 3, 5, 7, 9] = described(
        5,
        "edge in pixels of the squares by which masks are eroded and dilated; what lies between is "
        "not compared",
    )
    offset: float = described(0.005, "weight of the offsets' length", ge=0)
    mask: float = described(0.0, "weight of the mask's absolute error", ge=0)
    opacity: float = described(0.1, "opacity of a Gaussian at the start", gt=0, lt=1)
    validate_every: int = described(
        10_000, "steps between pictures of the avatar beside one that it is trained on", ge=1
    )


class Evaluate(Section):
    """Which variants are made, and how they are measured."""

    variants: list[Literal["full", "static", "skinned"]] = described(
        list(VARIANTS), "avatars to make; the first is shown first", min_length=1
    )
    every: int = described(10, "measure every so many frames of a split", ge=1)
    crease: float = described(
        0.12, "radius of the discs around elbows and knees, in meters at the joint", gt=0
    )


class Animate(Section):
    """What the avatars are driven by."""

    motions: list[Name] = described(
        ["dance", "walk"],
        "motions of ours (walk, wave, dance, squat, stretch, random), or test: the held-out frames",
    )
    files: list[FileName] = described([], "files of other motions: AvatarReX, THuman4.0, AMASS")
    view: Literal["camera", "free", "front", "back", "moving", "cano"] = described(
        "free", "where the camera stands"
    )
    components: int = described(
        20,
        "components that a pose's map keeps, of the training poses; 0: all of it",
        ge=0,
        le=MOST_COMPONENTS,
    )
    sigma: float = described(2.0, "deviations by which each may depart from their mean", gt=0)
    hands: Literal["ori", "fist", "zero"] = described("ori", "hands: the motion's, a fist, flat")
    fix_hand: bool = described(False, "hands' Gaussians are those of one training frame")
    hand_frame: int = described(0, "that frame, counted among those trained on", ge=0)
    seconds: float = described(7.2, "length of motions of ours", gt=0)
    fps: int = described(30, "frames a second", ge=1)
    size: int = described(1024, "edge of a film's pictures in pixels", ge=16)
    plys: int = described(3, "frames whose Gaussians are written, evenly spread", ge=0)


class Config(RunConfig):
    """Everything that decides a run of Animatable Gaussians."""

    capture: Capture = described(Capture(), "the multi-view video of a person")
    standin: Standin = described(Standin(), "the stand-in's capture")
    template: Template = described(Template(), "the surface that the maps are made of")
    maps: Maps = described(Maps(), "the canonical maps")
    network: Network = described(Network(), "the networks")
    pretrain: Pretraining = described(Pretraining(), "training to the start's attributes")
    avatar: Avatar = described(Avatar(), "training by the pictures")
    evaluate: Evaluate = described(Evaluate(), "variants and measures")
    animate: Animate = described(Animate(), "films of the avatars")
    weights: Weights = described(Weights(), "published weights of metrics that a user brings")

    def check(self) -> None:
        """Raises InputError for values that are valid one by one but contradict each other."""
        capture = self.capture
        if capture.root is not None and capture.models is None:
            raise InputError(
                "capture.models: a real capture needs SMPL-X, whose parameters it holds; give the "
                "folder of smplx/SMPLX_NEUTRAL.npz (docs/animatable.md)"
            )
        if capture.root is None and capture.models is not None:
            raise InputError(
                "capture.models: a stand-in's capture has the parameters of the stand-in body, "
                "which the run writes; leave capture.models out, or give capture.root"
            )
        if capture.root is None and (capture.cameras or capture.held_out):
            raise InputError(
                "capture.cameras, capture.held_out: a stand-in's cameras are counted in standin; "
                "names are of a real capture's, whose folder is capture.root"
            )
        trained, measured = (frames_of(text) for text in (capture.train, capture.test))
        if capture.root is not None and (both := set(trained) & set(measured)):
            raise InputError(
                f"capture.test: frame {min(both)} is in capture.train too; what is measured must "
                "not be trained on"
            )
        if shared := set(capture.cameras) & set(capture.held_out):
            raise InputError(
                f"capture.held_out: camera {min(shared)} is in capture.cameras too; what is "
                "measured must not be trained on"
            )
        if (self.template.source == "file") != (self.template.file is not None):
            raise InputError("template.file: expected with template.source: file, and only with it")
        if self.network.cap < self.network.top:
            raise InputError(
                f"network.cap: {self.network.cap} channels at most are fewer than the "
                f"{self.network.top} of network.top"
            )
