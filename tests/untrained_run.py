"""results/<run> as a finished run of HGM's tiny preset leaves it, with networks that have learned
nothing."""

import os
from pathlib import Path

import numpy as np
import torch
import yaml
from checkouts import ROOT

os.environ["HF_HUB_OFFLINE"] = "1"

from hgm.core.keys import folder_digest
from hgm.core.manifests import write_json
from hgm.nets.normal_net import NormalNet
from hgm.nets.weights import save_tensors
from hgm.standin.body import core
from hgm.systems.hgm.back_view.base import Base, open_base
from hgm.systems.hgm.back_view.controlnet import build_controlnet
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.back_view.small_base import build_scheduler, build_unet, build_vae, save_base
from hgm.systems.hgm.back_view.text import make_text_encoder, make_tokenizer
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.files import save_model
from hgm.systems.hgm.networks.hgm import HGM
from hgm.workflow import configuration


def write_untrained_run(folder: Path) -> Path:
    """Write configuration, stand-in body model and networks, with and without the body branch."""
    torch.manual_seed(0)
    data = yaml.safe_load((ROOT / "config/hgm/tiny.yaml").read_text())
    data["refine"] = {"iterations": 2, "every": 1}
    data["reconstruct"] = {"size": 32, "turntable_size": 32, "turntable_frames": 2}
    data["mesh"] = {
        "cameras": 6,
        "size": 48,
        "voxel": 0.04,
        "truncation": 0.1,
        "min_triangles": 0,
        "refine_steps": 2,
    }
    write_json(folder / "run.json", {"config": configuration.resolve(data)})
    (folder / "standin/models/smplx").mkdir(parents=True)
    np.savez(folder / "standin/models/smplx/SMPLX_MALE.npz", **core.model("male"))
    for suffix, body in (("", True), ("_no_body", False)):
        for stage, views in (("coarse", 1), ("fusion", 2)):
            save_model(HGM(HGMConfig.tiny(views, use_body=body)), folder / f"{stage}{suffix}")
    net = NormalNet((8, 16))
    save_tensors(net.state_dict(), folder / "normals/weights.safetensors")
    write_json(folder / "normals/model.json", {"channels": [8, 16]})
    sizes = DiffusionBase(
        vae_channels=[8, 8],
        latent_channels=4,
        unet_channels=[8, 16],
        heads=2,
        text_width=8,
    )
    base = Base(
        build_vae(sizes, 64),
        build_unet(sizes, 64),
        make_text_encoder(8, 0, 2),
        make_tokenizer(),
        build_scheduler(),
    )
    save_base(base, folder / "base", {})
    build_controlnet(open_base(folder / "base"), 0).save_pretrained(folder / "controlnet")
    for name in ("base", "controlnet"):
        write_json(folder / name / "manifest.json", {"key": folder_digest(folder / name)})
    return folder
