"""The sections of HGM's configuration. The defaults are the demo; a preset in `config/` changes
numbers, never code."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import (
    Field,
    JsonValue,
    field_validator,
)

from hgm.core.devices import check_named, check_shares
from hgm.core.settings import Count, FileName, Section, described
from hgm.errors import InputError
from hgm.systems.hgm.variants import RENDER
from hgm.workflow.configuration import RunConfig

DataSet = Literal["thuman2", "thuman21", "customhumans", "humman", "views"]
VariantName = Literal[
    "full",
    "no_body",
    "no_refine",
    "one_view",
    "no_diffusion",
    "front_only",
    "pymafx",
    "pymafx_front_only",
]


class Scans(Section):
    source: Literal["standin", DataSet] = described(
        "standin", "free stand-in humans made here, or a data set of docs/data-sets.md"
    )
    root: str | None = described(None, "folder of the data set; stand-ins make their own")
    models: str | None = described(
        None, "folder that holds smplx/SMPLX_*.npz; stand-ins make their own"
    )
    gender: Literal["male", "female", "neutral"] = described(
        "male", "SMPL-X file of the fits; neutral for those of 2024 and HuMMan"
    )
    train: str = described(
        "0000-0035", "ids and ranges, or the name of a .txt file with one id a line"
    )
    val: str = described("0500", "scans for the validation pictures and curve, never trained on")
    test: str = described(
        "0505-0508", "scans that are reconstructed and measured, never trained on"
    )
    test_source: DataSet | None = described(
        None, "data set of the test scans, where it is not that of the others"
    )
    test_root: str | None = described(None, "folder of the data set of the test scans")
    test_gender: Literal["male", "female", "neutral"] | None = described(
        None, "SMPL-X file of their fits; null: as gender"
    )
    chunk: int = described(
        6, "scans that one job makes and renders; a chunk should last minutes", ge=1
    )
    texture: int = described(1024, "edge of a stand-in's texture in pixels", ge=128)


class Rendering(Section):
    size: int = described(128, "edge of the rendered images in pixels", ge=16)
    samples: int = described(16, "Cycles samples a pixel", ge=1)
    device: Literal["cpu", "gpu", "auto"] = described(
        "cpu", "Cycles device; a GPU's pixels differ in the last bits"
    )


class Network(Section):
    preset: Literal["tiny", "small", "medium", "paper"] = described(
        "small", "widths of the networks (hgm/systems/hgm/networks/config.py lists them)"
    )
    overrides: dict[str, JsonValue] = described({}, "single fields of the preset to change")
    precision: Literal["fp32", "bf16"] = described(
        "fp32", "autocast inside the networks; bf16 needs a GPU"
    )
    compile: bool = described(
        False, "compile the networks (torch.compile); the first step takes minutes"
    )
    sparse_backend: Literal["auto", "torch", "spconv"] = described(
        "auto", "of sparse convolution; auto: spconv on a GPU if it works"
    )


class Loss(Section):
    rgb: float = described(1.0, "weight of the squared color error (paper eq. 6)", ge=0)
    mask: float = described(1.0, "weight of the squared mask error (paper eq. 6)", ge=0)
    lpips: float = described(
        1.0, "weight of LPIPS; used only where weights.vgg16 and weights.lpips are given", ge=0
    )
    structure: float = described(
        0.1, "weight of 1 - SSIM, which takes the place of LPIPS without its weights", ge=0
    )


class HGMTraining(Section):
    steps: int = described(360, "optimizer steps (paper: 37500)", ge=1)
    batch: int = described(1, "scans a step (paper: 4 in all)", ge=1)
    accumulate: int = described(1, "micro-batches a step, shared by the GPUs", ge=1)
    gpus: int = described(
        1, "processes that share a step's micro-batches, each on a GPU of its own", ge=1
    )
    lr: float = described(6e-4, "peak learning rate (release: 4e-4)", gt=0)
    warmup: float = described(0.05, "share of the steps on the way up (release: 0.02)", gt=0, lt=1)
    weight_decay: float = described(0.05, "AdamW weight decay", ge=0)
    clip: float = described(1.0, "largest gradient norm", gt=0)
    ema: float = described(0.0, "decay of averaged weights; 0 = none", ge=0, lt=1)
    supervised: int = described(
        4, "views a step is compared with (paper: 12); fewer where a scan has fewer", ge=1
    )
    turn: bool = described(
        False,
        "draw any view as the front: as many times the data as there are views (release: off)",
    )
    validate_every: int = described(60, "steps between validation pictures", ge=1)


class Coarse(HGMTraining):
    early: float = described(
        0.3,
        "share of the steps after which the unconverged model for the pairs is taken",
        gt=0,
        le=1,
    )
    lgm: str | None = described(
        None,
        "LGM's published big checkpoint, to start the U-Net from (docs/weights.md); needs preset "
        "paper",
    )


class Fusion(HGMTraining):
    steps: int = described(300, "optimizer steps (paper: 37500)", ge=1)
    lr: float = described(4e-4, "peak learning rate (release: 4e-4)", gt=0)
    warm_start: bool = described(
        True, "start from the coarse weights (the paper trains both from the start)"
    )
    back_share: float = described(
        0.6, "share of samples with an unconverged render as back view", ge=0, le=1
    )
    distortion: float = described(
        0.0, "probability of the grid distortion of the back view (release: 0.5)", ge=0, le=1
    )
    jitter: float = described(
        0.0, "probability of the camera jitter of the back view (release: 0.5)", ge=0, le=1
    )
    lgm: str | None = described(
        None,
        "LGM's published big checkpoint, to start the U-Net from; needs preset paper, warm_start: "
        "false",
    )


class Pairs(Section):
    factors: list[Count] = described(
        [2, 4], "downsampling factors of the conditions, taken in turn", min_length=1
    )


class Base(Section):
    folder: str | None = described(
        None, "Stable Diffusion 1.5 as a diffusers folder; without one a small base is trained"
    )
    vae_channels: list[Count] = described(
        [16, 32], "small base: widths of the VAE, one halving between two", min_length=1
    )
    vae_layers: int = described(1, "small base: residual layers a level", ge=1)
    latent_channels: int = described(8, "small base: channels of a latent", ge=1)
    vae_steps: int = described(3600, "small base: training steps of the VAE", ge=1)
    vae_batch: int = described(4, "small base: crops a step", ge=1)
    vae_crop: int = described(24, "small base: edge of the crops in pixels", ge=16)
    vae_lr: float = described(5e-3, "small base: peak learning rate of the VAE", gt=0)
    squared: float = described(
        10.0, "small base: weight of the squared error beside the absolute one", ge=0
    )
    kl: float = described(1e-5, "small base: weight of the KL divergence of a latent number", ge=0)
    lpips: float = described(0.1, "small base: weight of LPIPS where its weights are given", ge=0)
    unet_channels: list[Count] = described(
        [24, 48, 64], "small base: widths of the denoising U-Net", min_length=1
    )
    unet_layers: int = described(1, "small base: residual layers a level", ge=1)
    heads: int = described(4, "small base: attention heads", ge=1)
    text_width: int = described(32, "small base: width of the text encoder", ge=8)
    unet_steps: int = described(600, "small base: training steps of the U-Net", ge=1)
    unet_batch: int = described(8, "small base: crops a step", ge=1)
    unet_lr: float = described(3e-3, "small base: peak learning rate of the U-Net", gt=0)
    unet_crop: int = described(
        64, "small base: edge of the U-Net's crops in pixels of the image", ge=16
    )
    unet_timesteps: int = described(
        250, "small base: train on diffusion times below this one; only the last are run", ge=1
    )
    ema: float = described(0.99, "small base: decay of averaged weights", ge=0, lt=1)
    empty_caption: float = described(
        0.1, "small base: share of empty captions, which guidance needs", ge=0, le=1
    )


class ControlNet(Section):
    tile: str | None = described(
        None, "ControlNet-tile as a diffusers folder; without one a copy of the base's encoder"
    )
    steps: int = described(400, "optimizer steps (not published)", ge=1)
    batch: int = described(8, "pairs a step (not published)", ge=1)
    lr: float = described(2e-3, "learning rate (paper: 1e-5)", gt=0)
    schedule: Literal["constant", "onecycle"] = described(
        "onecycle", "course of the learning rate (not published)"
    )
    weight_decay: float = described(1e-2, "AdamW weight decay (not published)", ge=0)
    caption: str = described(
        "best quality", "caption of every pair (not published; the paper's test prompt)"
    )
    empty_caption: float = described(0.1, "share of empty captions (not published)", ge=0, le=1)
    timesteps: int = described(250, "train on diffusion times below this one (paper: 1000)", ge=1)
    crop: int | None = described(
        64, "train on crops of so many pixels around the person; null: whole images (paper)"
    )
    clip: float = described(1.0, "largest gradient norm (not published)", gt=0)
    accumulate: int = described(1, "micro-batches a step", ge=1)
    ema: float = described(0.0, "decay of averaged weights; 0 = none", ge=0, lt=1)


class BackView(Section):
    seed: int = described(22, "seed of the diffusion noise (release: 22)", ge=0)
    strength: float = described(
        0.2, "share of the noise schedule that is run (release: 0.2)", gt=0, le=1
    )
    steps: int = described(100, "denoising steps at full strength (release: 100)", ge=1)
    guidance: float = described(1.0, "classifier-free guidance (release: 5)", ge=0)
    control_scale: float = described(1.0, "weight of the ControlNet", ge=0)
    prompt: str = described("Best quality", "prompt (paper)")
    negative_prompt: str = described(
        "blur, lowres, bad anatomy, bad hands, cropped, worst quality",
        "what the picture should not show (release)",
    )
    mask_threshold: float = described(
        0.5, "coarse alpha below this is background (ours)", gt=0, lt=1
    )
    mask_dilation: int = described(2, "pixels by which the mask grows (ours)", ge=0)


class Estimate(Section):
    source: Literal["disturbed", "pixie", "pymafx", "fits"] = described(
        "disturbed",
        "first SMPL-X: true fit with seeded noise (not comparable with the paper), an estimator "
        "to run, or files",
    )
    pixie: str | None = described(
        None, "checkout of PIXIE with its weights, for source: pixie (docs/estimators.md)"
    )
    pixie_python: FileName = described(
        ".venv/bin/python", "Python of PIXIE's environment, below its checkout or absolute"
    )
    pymafx: str | None = described(
        None, "checkout of PyMAF-X with its weights, for source: pymafx and the variants pymafx*"
    )
    pymafx_python: FileName = described(
        ".venv/bin/python", "Python of PyMAF-X's environment, below its checkout or absolute"
    )
    minutes: float = described(
        5.0, "an estimator is ended after so many minutes times pictures", gt=0
    )
    folder: str | None = described(
        None, "files of PIXIE, PyMAF-X or SMPL-X, for source: fits (docs/estimators.md)"
    )
    mpjpe_mm: float = described(
        80.11, "error of the disturbed fit: PIXIE's on THuman2.0 (paper table 6)", gt=0
    )


class Refine(Section):
    iterations: int = described(45, "optimization steps (paper: 45)", ge=1)
    every: int = described(15, "steps between runs of the coarse model (paper: 15)", ge=1)
    sizes: list[Annotated[int, Field(ge=16, le=4096)]] = described(
        [64, 128],
        "width of the silhouettes in pixels from one run of the coarse model to the next; the "
        "last stays (release: 512)",
        min_length=1,
    )
    cell: float = described(
        0.012,
        "edge of the patches of the body's surface that become one splat, in normalized units; 0: "
        "every face (not published)",
        ge=0,
        le=0.1,
    )
    with_body: bool = described(
        False,
        "later runs see the body (paper: yes); off, a coarse model trained for minutes misleads "
        "less",
    )
    front: float = described(10.0, "weight of the front silhouette (paper: 10)", ge=0)
    side: float = described(3.0, "weight of the 11 other silhouettes (paper: 1)", ge=0)
    normal: float = described(
        0.0,
        "weight of the normals that a net reads from the photo (paper: 0.5); 0: no net is run",
        ge=0,
    )
    pose_prior: float = described(3.0, "weight of the squared change of pose (not published)", ge=0)
    betas_prior: float = described(
        1e-3, "weight of the squared shape coefficients (not published)", ge=0
    )
    scale_prior: float = described(
        300.0, "weight of the squared log change of scale (not published)", ge=0
    )
    lr_place: float = described(
        1e-2,
        "learning rate of the place, in normalized units, and of the log scale (not published)",
        gt=0,
    )
    lr_orient: float = described(
        2e-2, "learning rate of the global orientation in radians (not published)", gt=0
    )
    lr_betas: float = described(
        1e-2, "learning rate of the shape coefficients (not published)", gt=0
    )
    lr_pose: float = described(
        2e-2, "learning rate of the joints' rotations in radians (not published)", gt=0
    )
    lr_last: float = described(
        0.1,
        "share of the learning rates that is left at the end of a cosine (not published)",
        ge=0,
        le=1,
    )


class Reconstruct(Section):
    size: int = described(128, "edge of the novel views", ge=16)
    turntable_size: int = described(192, "edge of the turntable's frames", ge=16)
    turntable_frames: int = described(36, "frames of the turntable", ge=2)


class Normals(Section):
    icon: str | None = described(
        None, "ICON's normal.ckpt; without it the run trains a small net of its own"
    )
    channels: list[Count] = described(
        [16, 32, 64], "widths of the net that reads normals (stands for ICON's)", min_length=1
    )
    steps: int = described(150, "training steps (not in the paper)", ge=1)
    batch: int = described(4, "pictures a step", ge=1)
    lr: float = described(2e-3, "peak learning rate", gt=0)


class Mesh(Section):
    cameras: int = described(24, "depth renders on a Fibonacci sphere (release: 20)", ge=4)
    size: int = described(320, "edge of the depth renders (release: 512)", ge=32)
    voxel: float = described(
        0.01171875, "edge of a TSDF voxel in normalized units (release: 3/512)", gt=0
    )
    truncation: float = described(
        0.025, "TSDF truncation in normalized units (release: 0.05)", gt=0
    )
    min_triangles: int = described(200, "smaller clusters are dropped (release: 200)", ge=0)
    smoothing: int = described(5, "iterations of the simple filter (release: 5)", ge=0)
    refine_steps: int = described(
        50, "steps of the normal-guided refinement; 0 = none (not published)", ge=0
    )


class Evaluate(Section):
    variants: list[VariantName] = described(
        ["full", "no_body", "no_refine", "one_view", "no_diffusion"], "rows of the ablation"
    )
    surface_samples: int = described(
        100_000, "points for Chamfer distance and normal consistency", ge=100
    )
    baselines: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], FileName] = (
        described(
            {},
            "other methods' results, folders by name, measured by the same code "
            "(docs/baselines.md)",
        )
    )

    @field_validator("variants")
    @classmethod
    def _once_each(cls, names: list[str]) -> list[str]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]} stands there twice")
        return names

    @field_validator("baselines")
    @classmethod
    def _free_names(cls, folders: dict[str, str]) -> dict[str, str]:
        variants = get_args(VariantName)
        for name in folders.keys() & {
            *variants,
            *(v + RENDER for v in variants),
            "coarse",
            "textured_body",
            "copy_nearest",
        }:
            raise ValueError(f"{name} is the name of a row of this workflow's own; take another")
        return folders


class Weights(Section):
    vgg16: str | None = described(
        None, "torchvision's vgg16-397923af.pth; without it LPIPS is not available"
    )
    lpips: str | None = described(None, "LPIPS heads for VGG (lpips/weights/v0.1/vgg.pth)")
    inception: str | None = described(
        None, "weights-inception-2015-12-05-6726825d.pth; without it KID is not available"
    )


class Config(RunConfig):
    images: list[FileName] = described(
        [], "photos and folders of photos to reconstruct as well, by the first of evaluate.variants"
    )
    scans: Scans = described(Scans(), "which people")
    rendering: Rendering = described(
        Rendering(), "the views of each scan: 12 that are rendered, or those that a data set brings"
    )
    network: Network = described(Network(), "the HGM networks")
    loss: Loss = described(Loss(), "weights of the training loss")
    coarse: Coarse = described(Coarse(), "the one-view HGM")
    pairs: Pairs = described(Pairs(), "the ControlNet's training pairs")
    base: Base = described(Base(), "the latent diffusion model under the ControlNet")
    controlnet: ControlNet = described(ControlNet(), "the back view's ControlNet")
    back_view: BackView = described(BackView(), "how the back view is refined")
    fusion: Fusion = described(Fusion(), "the two-view HGM")
    estimate: Estimate = described(Estimate(), "the first SMPL-X estimate")
    refine: Refine = described(Refine(), "the SMPL-X refinement")
    reconstruct: Reconstruct = described(Reconstruct(), "what is written for a subject")
    normals: Normals = described(Normals(), "the normal net")
    mesh: Mesh = described(Mesh(), "mesh extraction")
    evaluate: Evaluate = described(Evaluate(), "metrics and ablations")
    weights: Weights = described(Weights(), "published weights a user brings")

    def check(self) -> None:
        """Raises InputError for values that are fine one by one and contradict each other."""
        for stage, section in (("coarse", self.coarse), ("fusion", self.fusion)):
            check_named(self.device, section.gpus)
            check_shares(stage, section.gpus, section.accumulate)
            if section.lgm is not None and self.network.preset != "paper":
                raise InputError(
                    f"{stage}.lgm: LGM's weights fit network.preset: paper, not "
                    f"{self.network.preset}"
                )
        if self.fusion.lgm is not None and self.fusion.warm_start:
            raise InputError(
                "fusion.lgm: with warm_start the training starts from the coarse weights; set "
                "fusion.warm_start: false, or leave fusion.lgm out"
            )
        if self.fusion.turn and self.fusion.back_share > 0:
            raise InputError(
                "fusion.turn: the pairs show what is behind the front view, and behind no other; "
                "set fusion.turn: false or fusion.back_share: 0.0"
            )
