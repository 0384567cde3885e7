"""Weights of others: a published LGM checkpoint for the U-Net, or a state dict with the released HGM's key names."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from hgm.nets.hgm import HGM
from hgm.nets.spconv_backend import from_spconv
from hgm.nets.weights import assign, read_tensors

# layers of ours that LGM lacks
NOT_IN_LGM = ("norm_out_2", "conv_out_2")

# (pattern over a whole key of the release, our key)
RENAMES = [
    (r"(unet|conv)\.(.+)", r"\1.\2"),
    (r"res\.(.+)", r"merge.\1"),
    (r"c\.weight", r"body.tokens.weight"),
    (r"xyzc_attn\.w_qs\.weight", r"body.attention.query.weight"),
    (r"xyzc_attn\.w_ks\.weight", r"body.attention.key.weight"),
    (r"xyzc_attn\.w_vs\.weight", r"body.attention.value.weight"),
    (r"xyzc_attn\.fc\.weight", r"body.attention.out.weight"),
    (r"xyzc_attn\.layer_norm\.(.+)", r"body.attention.norm.\1"),
    (r"unet2\.conv1\.weight", r"encoder.stem.0.weight"),
    (r"unet2\.bn1\.(.+)", r"encoder.stem.1.\1"),
    (r"unet2\.out_conv\.(.+)", r"encoder.out.\1"),
]
STAGE = re.compile(r"unet2\.layer(\d)\.(\d+)\.(conv1|bn1|conv2|bn2|downsample\.0|downsample\.1)\.(.+)")
IN_BLOCK = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4", "downsample.0": "shortcut.0",
            "downsample.1": "shortcut.1"}
DECODER = re.compile(r"unet2\.(upconv|iconv)(\d)\.(?:conv\.)?(conv|bn)\.(.+)")
SPARSE = re.compile(r"xyzc_net\.net\.(\d)\.(\d)\.(.+)")


def our_key(key: str) -> str | None:
    """Our name of a key of the released HGM, or None where it has no counterpart."""
    for pattern, ours in RENAMES:
        if match := re.fullmatch(pattern, key):
            return match.expand(ours)
    if match := STAGE.fullmatch(key):
        stage, block, part, rest = match.groups()
        return f"encoder.stages.{int(stage) - 1}.{block}.{IN_BLOCK[part]}.{rest}"
    if match := DECODER.fullmatch(key):
        kind, level, part, rest = match.groups()
        return f"encoder.{'ups' if kind == 'upconv' else 'joins'}.{3 - int(level)}.{int(part == 'bn')}.{rest}"
    if match := SPARSE.fullmatch(key):
        group, place, rest = int(match[1]), int(match[2]), match[3]
        # groups alternate: a double convolution (layers 0 and 3 of its sequence), then a strided one
        layer = group // 2 * 3 + (2 if group % 2 else place // 3)
        return f"volume.pyramid.layers.{layer}.{'norm.' if place % 3 == 1 else ''}{rest}"
    return None


def load_release(model: HGM, path: str | Path) -> list[str]:
    """Load a safetensors file with the released HGM's keys; returns our keys that the file cannot hold.

    Those are the body head, which the release never builds; it keeps its initial weights. Sparse kernels are turned from
    spconv's layout. Raises InputError for any other key that is missing, unknown or misshapen.
    """
    tensors: dict[str, Tensor] = {}
    for key, tensor in read_tensors(path).items():
        name = our_key(key) or key
        sparse = name.startswith("volume.") and tensor.ndim == 5
        tensors[name] = from_spconv(tensor.float()) if sparse else tensor
    absent = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("body.head.")}
    assign(model, {**absent, **tensors}, source=str(path))
    return sorted(absent)


def load_lgm(model: HGM, path: str | Path) -> None:
    """Start the U-Net from a published LGM checkpoint ("big", 14 channels out), whose key names are ours.

    Other keys of the file (its perceptual loss) are ignored. Raises InputError for a U-Net of other widths.
    """
    tensors = read_tensors(path)
    parts: dict[str, nn.Module] = {"unet.": model.unet, "conv.": model.conv}
    for prefix, part in parts.items():
        own = {name: tensor for name, tensor in part.state_dict().items() if name.split(".")[0] in NOT_IN_LGM}
        found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        assign(part, {**own, **found}, source=str(path))
