"""Checks of folders in diffusers' layout: every part exists and has the right class, its weights
can be opened, and whether they are the published ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from hgm.core.keys import file_digest
from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import State

PIPELINE = "StableDiffusionPipeline"
# part -> the class that its config.json names, and names of its weight file, of which the first
# that exists is read
PARTS = {
    "unet": (
        "UNet2DConditionModel",
        ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    ),
    "vae": (
        "AutoencoderKL",
        ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    ),
    "text_encoder": ("CLIPTextModel", ("model.safetensors", "pytorch_model.bin")),
}
TOKENIZERS = (("vocab.json", "merges.txt"), ("tokenizer.json",))
# settings in which a ControlNet and its base must agree
SHARED = ("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block")
CONTROLNET = ("ControlNetModel", PARTS["unet"][1])


def check_base(asset: Asset, config: Config, folder: Path) -> tuple[State, str]:
    """Stable Diffusion 1.5 or a pipeline of the same classes."""
    if not (folder / "model_index.json").is_file():
        return (
            "missing",
            f"{folder}: no model_index.json, which a Stable Diffusion folder in diffusers' layout "
            "has",
        )
    kind = _mapping(folder / "model_index.json").get("_class_name")
    if kind != PIPELINE:
        raise InputError(
            f"{folder}/model_index.json: _class_name is {kind!r}, expected {PIPELINE}; get Stable "
            "Diffusion 1.5"
        )
    for part, (name, files) in PARTS.items():
        if lacks := _part(folder / part, name, files):
            return "missing", lacks
    if not any(
        all((folder / "tokenizer" / name).is_file() for name in names) for names in TOKENIZERS
    ):
        return "missing", f"{folder}/tokenizer: no vocab.json and merges.txt"
    scheduler = folder / "scheduler" / "scheduler_config.json"
    if not scheduler.is_file():
        return "missing", f"{scheduler} does not exist"
    prediction = _mapping(scheduler).get("prediction_type", "epsilon")
    if prediction != "epsilon":
        raise InputError(
            f"{scheduler}: prediction_type is {prediction!r}; the ControlNet needs a base that "
            "predicts epsilon"
        )
    return _published(asset, folder)


def check_controlnet(asset: Asset, config: Config, folder: Path) -> tuple[State, str]:
    """A ControlNet that fits the configured base."""
    if lacks := _part(folder, *CONTROLNET):
        return "missing", lacks
    base = (
        Path(config.base.folder) / "unet" / "config.json"
        if config.base.folder is not None
        else None
    )
    if base is not None and base.is_file():
        ours = _mapping(folder / "config.json")
        theirs = _mapping(base)
        for key in SHARED:
            if ours.get(key) != theirs.get(key):
                raise InputError(
                    f"{folder}/config.json: {key} is {ours.get(key)}, the base has "
                    f"{theirs.get(key)}; use a ControlNet made for this base"
                )
    return _published(asset, folder)


def _part(folder: Path, kind: str, files: tuple[str, ...]) -> str | None:
    """What a model's folder lacks, None where it is complete. Raises InputError where something in
    it is wrong."""
    config = folder / "config.json"
    if not config.is_file():
        return f"{config} does not exist"
    data = _mapping(config)
    found = data.get("_class_name") or next(iter(data.get("architectures") or ()), None)
    if found != kind:
        raise InputError(f"{config}: is of the class {found}, expected {kind}")
    weights = next((folder / name for name in files if (folder / name).is_file()), None)
    if weights is None:
        return f"{folder}: no {' or '.join(files)}"
    open_weights(weights)
    return None


def open_weights(path: Path) -> None:
    """Open a safetensors or torch file without running code from it. Raises InputError for a file
    that is cut short, is of another format or holds no tensors."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError, safe_open

            try:
                with safe_open(path, "np") as file:
                    names = list(file.keys())
            except SafetensorError as error:
                raise ValueError(str(error)) from None
        else:
            import torch

            names = list(torch.load(path, map_location="cpu", weights_only=True))
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise InputError(
            f"{path}: not a whole weight file ({reason}); delete it and fetch it again"
        ) from None
    if not names:
        raise InputError(f"{path}: holds no tensors; delete it and fetch it again")


def _published(asset: Asset, folder: Path) -> tuple[State, str]:
    """`intact` where every weight file equals the published one; else `present`, since a user may
    have other weights."""
    known = [file for file in asset.files if file.sha256 is not None]
    other = [
        file.path
        for file in known
        if not (folder / file.path).is_file() or file_digest(folder / file.path) != file.sha256
    ]
    if not other:
        return "intact", "SHA-256 as published"
    return "present", f"opens, but {', '.join(other)} is not the published file"


def _mapping(path: Path) -> dict[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data
