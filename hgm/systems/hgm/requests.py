"""The resources that a job requests: GPUs, threads and host memory, from the configuration alone.
Without torch, since every start of Snakemake imports it.

Memory is the sum of what a job holds at its peak, times MARGIN. Sizes of networks are those of the
presets; widths changed by `network.overrides` are not considered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hgm.scans.catalogue import data_of
from hgm.scans.data_views import view_count
from hgm.train.prefetch import AHEAD, BODIES_STORE, LOADERS, NORMALS_STORE, STORE

Config = Mapping[str, Any]

ON_DEVICE = (
    "coarse",
    "fusion",
    "base",
    "normals",
    "pairs",
    "controlnet",
    "estimate_pixie",
    "estimate_pymafx",
    "refine",
    "reconstruct",
    "mesh",
    "photos",
)
MB = 1e6
MARGIN = 1.25
STEP = 500  # requests are multiples of STEP megabytes

# megabytes of a process with its libraries; CUDA: what its context and libraries add
PROCESS = 600
DIFFUSERS = 400
CUDA = 2500
BODY_MODEL = 700  # SMPL-X as smplx reads it, with all shape coefficients
# megabytes of open3d with the smallest volume, and of a volume fused from 64 depth pictures of 512
# px
OPEN3D = 400
MESHING = 3000
# preset -> edge of an input in pixels, millions of parameters, megabytes that a sample keeps for
# the backward pass in float32 with one view and with two; hgm.systems.hgm.bench.footprint computes
# them, and a test compares
NETWORKS = {
    "tiny": (64, 0.376, 17, 23),
    "small": (128, 3.59, 98, 139),
    "medium": (256, 45.4, 1236, 1936),
    "paper": (512, 641.5, 10089, 19403),
}
# megabytes of VGG's features of a picture of 256 px, held for one set of renders and for the
# targets
LPIPS_IMAGE = 223
FORWARD = 0.3  # share of what is kept for the backward pass that a forward pass alone holds
# millions of parameters of Stable Diffusion 1.5, which is read as float32
STABLE_DIFFUSION = 1066
CONTROLNET = 361
STABLE_UNET = 860  # … of its largest part, of which two copies exist while it is read
STABLE_SAMPLE = 4300  # megabytes that a sample of 512 px keeps for the ControlNet's backward pass
SMALL_SAMPLE = 0.02  # megabytes that the small base's networks keep for each pixel of a crop


def views_of(config: Config, split: str) -> int:
    """Number of views of a person in a split."""
    return view_count(data_of(config["scans"], split))


def on_gpu(config: Config) -> bool:
    """Whether jobs may work on a GPU: also with `auto`, which takes one if the machine has one."""
    return config["device"] != "cpu"


def gpus(config: Config, rule: str) -> int:
    """Number of GPUs of a job."""
    if rule == "render":
        return int(config["rendering"]["device"] != "cpu")
    if (
        rule not in ON_DEVICE
        or not on_gpu(config)
        or (rule == "base" and config["base"]["folder"] is not None)
    ):
        return 0
    return int(config[rule]["gpus"]) if rule in ("coarse", "fusion") else 1


def threads(config: Config, rule: str) -> int:
    """Threads of a job: one for each process, and where a GPU is named, those that read data ahead
    for it."""
    processes = int(config[rule]["gpus"]) if rule in ("coarse", "fusion") else 1
    loading = rule in ("coarse", "fusion", "controlnet") and config["device"].startswith("cuda")
    return processes * (1 + LOADERS) if loading else processes


def memory_mb(config: Config, rule: str, scans: Mapping[str, int]) -> int:
    """Megabytes of host memory that a job requests at its first attempt. scans: number of training
    (`train`) and validation (`val`) scans."""
    needed = {
        "coarse": _hgm_training,
        "fusion": _hgm_training,
        "base": _base,
        "controlnet": _controlnet,
        "normals": _normals,
        "pairs": _networks,
        "refine": _refine,
        "reconstruct": _reconstruct,
        "photos": _photos,
        "mesh": _mesh,
    }[rule](config, rule, scans)
    return STEP * math.ceil(MARGIN * needed / STEP)


def _process(config: Config, rule: str) -> float:
    """Megabytes of a process of a job before it reads any data."""
    return PROCESS + (CUDA if gpus(config, rule) else 0)


def _weights(config: Config) -> float:
    """Megabytes of an HGM's parameters."""
    return 4 * NETWORKS[config["network"]["preset"]][1]


def _kept(config: Config, views: int) -> float:
    """Megabytes that a sample of an HGM keeps for its backward pass."""
    network = NETWORKS[config["network"]["preset"]]
    return network[1 + views] * (config["rendering"]["size"] / network[0]) ** 2


def _pictures(config: Config, count: float) -> float:
    """Megabytes of colors and masks as bytes."""
    return count * 4 * config["rendering"]["size"] ** 2 / MB


def _hgm_training(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    section = config[rule]
    views = 2 if rule == "fusion" else 1
    weights = _weights(config)
    processes = section["gpus"]
    batch = section["batch"]
    pictures = views_of(config, "train") * (scans["train"] + scans["val"])
    store = min(STORE / MB, _pictures(config, pictures))  # shared by all processes
    supervised = min(section["supervised"], views_of(config, "train"))
    sample = 4 * _pictures(config, views + supervised)  # float32
    lpips = (
        2 * supervised * LPIPS_IMAGE
        if None not in (config["weights"]["vgg16"], config["weights"]["lpips"])
        else 0
    )
    writing = 3 * weights  # in the main process: the copies from which safetensors writes a file
    if on_gpu(config):
        ahead = batch * sample * (AHEAD + 2)
        others = (processes - 1) * max(2 * weights, ahead)  # at the start, in the training
        return processes * _process(config, rule) + store + ahead + writing + others
    copies = 4 + (section["ema"] > 0)  # weights, gradients, Adam's moments, EMA
    return (
        processes
        * (PROCESS + copies * weights + batch * (_kept(config, views) + 2 * sample + lpips))
        + store
        + writing
    )


def _base(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    section = config["base"]
    if section["folder"] is not None:
        return _process(config, rule)
    # pictures exist as a list and as one tensor; those of one scan also as float32
    pictures = _pictures(config, views_of(config, "train") * (2 * scans["train"] + 4))
    pixels = max(
        section["vae_batch"] * section["vae_crop"] ** 2,
        section["unet_batch"] * section["unet_crop"] ** 2,
    )
    return (
        _process(config, rule)
        + DIFFUSERS
        + pictures
        + (0 if on_gpu(config) else SMALL_SAMPLE * pixels)
    )


def _diffusion(config: Config) -> float:
    """Megabytes of the base and its ControlNet, with two copies of the largest part; the small base
    counts as nothing."""
    return (
        4 * (STABLE_DIFFUSION + CONTROLNET + STABLE_UNET)
        if config["base"]["folder"] is not None
        else 0
    )


def _controlnet(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    section = config["controlnet"]
    size = config["rendering"]["size"]
    crop = size if section["crop"] is None else section["crop"]
    latents = (
        2 * 4 * scans["train"] * 4 * (size / 8) ** 2 / MB
        if config["base"]["folder"]
        else _pictures(config, scans["train"])
    )
    ahead = section["batch"] * (AHEAD + 2) * 4 * _pictures(config, 1)
    held = _process(config, rule) + DIFFUSERS + _diffusion(config) + latents + ahead
    if on_gpu(config):
        return held
    if config["base"]["folder"] is None:
        return held + SMALL_SAMPLE * section["batch"] * crop**2
    return held + 12 * CONTROLNET + section["batch"] * STABLE_SAMPLE * (crop / 512) ** 2


def _normals(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    section = config["normals"]
    seen = min(scans["train"], section["steps"] * section["batch"])
    views = views_of(config, "train") * seen
    store = min(NORMALS_STORE / MB, _pictures(config, views))
    # float32, on the device
    bodies = 0 if on_gpu(config) else min(BODIES_STORE / MB, 3 * _pictures(config, views))
    maps = section["batch"] * sum(section["channels"]) * 20 * _pictures(config, 1)
    return _process(config, rule) + store + bodies + (0 if on_gpu(config) else maps)


def _networks(config: Config, rule: str, scans: Mapping[str, int], views: int = 1) -> float:
    """Megabytes while the weights of one network after the other are read from a file. On a CPU the
    networks stay in this memory, and a forward pass adds to it."""
    weights = _weights(config)
    held = 2 * weights if on_gpu(config) else (1 + views) * weights + FORWARD * _kept(config, views)
    return _process(config, rule) + held


def _refine(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    return _networks(config, rule, scans) + _body_model(config)


def _body_model(config: Config) -> float:
    return BODY_MODEL if config["scans"]["models"] is not None else 0


def _reconstruct(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    film = (
        config["reconstruct"]["turntable_frames"]
        * 3
        * config["reconstruct"]["turntable_size"] ** 2
        / MB
    )
    working = 0 if on_gpu(config) or config["base"]["folder"] is None else FORWARD * STABLE_SAMPLE
    return _networks(config, rule, scans, views=2) + DIFFUSERS + _diffusion(config) + working + film


def _mesh(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    section = config["mesh"]
    return (
        _process(config, rule)
        + OPEN3D
        + _body_model(config)
        + MESHING * section["cameras"] / 64 * (section["size"] / 512) ** 2
    )


def _photos(config: Config, rule: str, scans: Mapping[str, int]) -> float:
    return _reconstruct(config, rule, scans) + _mesh(config, rule, scans) - _process(config, rule)
