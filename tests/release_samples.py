"""Checkpoints with the key names of LGM and the released HGM, filled by a formula that any program
can repeat."""

import zlib

import numpy as np
import torch
from torch import Tensor

from hgm.nets.spconv_backend import to_spconv
from hgm.nets.widths import UNetWidths
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.release import our_key

SMALL = HGMConfig(
    unet=UNetWidths(
        (32, 64, 96, 96), (False, False, True, True), (96, 96, 64), (True, True, False)
    ),
    merge=UNetWidths((32, 64, 64), (False, False, True), (64, 64, 32), (True, False, False)),
    input_size=64,
    vertices=6890,
    spare_layers=True,
)


def noise(key: str, *shape: int) -> Tensor:
    """Uniform numbers in [-1, 1): a 32-bit integer hash of the element's index and the CRC-32 of
    the key."""
    x = np.arange(int(np.prod(shape)), dtype=np.uint32) ^ np.uint32(zlib.crc32(key.encode()))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x ^= x >> np.uint32(16)
    return torch.from_numpy(x.astype(np.float64) / 2**31 - 1).float().view(shape)


def filled(key: str, *shape: int) -> Tensor:
    """The value of a tensor of a checkpoint: kernels with unit gain, norms and variances around
    one, all else around zero."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if key.startswith("c."):
        return noise(key, *shape)
    if len(shape) > 1:
        fan_in = np.prod(shape) / shape[0]  # spconv's layout, too, has the outputs first
        return noise(key, *shape) * (3 / fan_in) ** 0.5
    return noise(key, *shape) * 0.3 + float(key.endswith((".weight", "running_var")))


def release_keys(model: HGM) -> list[str]:
    """Keys of the released network, written out from its module tree; within the U-Nets, the names
    are the same as ours."""
    own = list(model.state_dict())
    keys = [k for k in own if k.startswith(("unet.", "conv."))]
    keys += [k.replace("merge.", "res.", 1) for k in own if k.startswith("merge.")]
    keys += [
        "c.weight",
        *(f"xyzc_attn.{n}.weight" for n in ("w_qs", "w_ks", "w_vs", "fc", "layer_norm")),
        "xyzc_attn.layer_norm.bias",
    ]
    both = ("weight", "bias")
    keys += ["unet2.conv1.weight", *(f"unet2.bn1.{n}" for n in both)]
    for layer, blocks in ((1, 3), (2, 4), (3, 6)):
        for block in range(blocks):
            names = [("conv1", 1), ("bn1", 2), ("conv2", 1), ("bn2", 2)]
            names += [("downsample.0", 1), ("downsample.1", 2)] if block == 0 else []
            keys += [
                f"unet2.layer{layer}.{block}.{name}.{n}"
                for name, count in names
                for n in both[:count]
            ]
    for name in ("upconv3.conv", "iconv3", "upconv2.conv", "iconv2"):
        keys += [f"unet2.{name}.{part}.{n}" for part in ("conv", "bn") for n in both]
    keys += [f"unet2.out_conv.{n}" for n in both]
    statistics = (*both, "running_mean", "running_var", "num_batches_tracked")
    for group in range(9):  # double, strided, double, ...
        for place in (0, 3) if group % 2 == 0 else (0,):
            keys += [f"xyzc_net.net.{group}.{place}.weight"]
            keys += [f"xyzc_net.net.{group}.{place + 1}.{n}" for n in statistics]
    return keys


def lgm_keys(model: HGM) -> list[str]:
    """Keys of LGM's network with the U-Net widths of the model."""
    return [k for k in model.state_dict() if k.startswith(("unet.", "conv.")) and "out_2" not in k]


def shapes(model: HGM, keys: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a checkpoint that would fill the model; spconv keeps kernels as
    [Cout, 3, 3, 3, Cin]."""
    own = model.state_dict()
    sizes = {}
    for key in keys:
        tensor = own[our_key(key) or key]
        sizes[key] = tuple(
            (to_spconv(tensor) if key.startswith("xyzc_net") and tensor.ndim == 3 else tensor).shape
        )
    return sizes


def checkpoint(sizes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A checkpoint of tensors of these shapes."""
    return {key: filled(key, *shape) for key, shape in sizes.items()}
