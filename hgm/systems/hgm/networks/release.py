"""Published weights: which key of an LGM or a released HGM checkpoint is which key of our model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from hgm.errors import InputError
from hgm.nets.spconv_backend import from_spconv, to_spconv
from hgm.nets.weights import assign
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM

# (pattern over a whole key of LGM or of the release, our key)
RENAMES = [
    (r"(unet|conv)\.(.+)", r"\1.\2"),
    (r"res\.(.+)", r"merge.\1"),
    (r"net\.(.+)", r"body.head.\1"),  # called in the release's code, which never builds it
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
STAGE = re.compile(
    r"unet2\.layer(\d)\.(\d+)\.(conv1|bn1|conv2|bn2|downsample\.0|downsample\.1)\.(.+)"
)
IN_BLOCK = {
    "conv1": "body.0",
    "bn1": "body.1",
    "conv2": "body.3",
    "bn2": "body.4",
    "downsample.0": "shortcut.0",
    "downsample.1": "shortcut.1",
}
DECODER = re.compile(r"unet2\.(?:upconv(\d)\.conv|iconv(\d))\.(conv|bn)\.(.+)")
SPARSE = re.compile(r"xyzc_net\.net\.(\d)\.(\d)\.(.+)")

# keys of the loss's network and of the body model, which the authors save with their model
IGNORED = ("lpips_loss.", "m_smplx.")
BODY_HEAD = "body.head."  # ours
TOKENS = "c.weight"  # the release's
BODIES = {10475: "SMPL-X", 6890: "SMPL"}  # vertices a token table may have


def our_key(key: str) -> str | None:
    """Our name of a key of LGM or of the released HGM; None where we have no counterpart."""
    for pattern, ours in RENAMES:
        if match := re.fullmatch(pattern, key):
            return match.expand(ours)
    if match := STAGE.fullmatch(key):
        stage, block, part, rest = match.groups()
        return f"encoder.stages.{int(stage) - 1}.{block}.{IN_BLOCK[part]}.{rest}"
    if match := DECODER.fullmatch(key):
        up, join, part, rest = match.groups()
        return (
            f"encoder.{'ups' if up else 'joins'}.{3 - int(up or join)}.{int(part == 'bn')}.{rest}"
        )
    if match := SPARSE.fullmatch(key):
        group = int(match[1])
        place = int(match[2])
        rest = match[3]
        # groups alternate: a double convolution (layers 0 and 3 of its sequence), then a strided
        # one
        layer = group // 2 * 3 + (2 if group % 2 else place // 3)
        return f"volume.pyramid.layers.{layer}.{'norm.' if place % 3 == 1 else ''}{rest}"
    return None


@dataclass(frozen=True)
class Kind:
    """One kind of checkpoint, and the parts of our model (beginnings of keys) that it lacks."""

    title: str
    lacks: tuple[str, ...]


LGM = Kind(
    "LGM", ("unet.norm_out_2.", "unet.conv_out_2.", "merge.", "encoder.", "body.", "volume.")
)
RELEASE = Kind("the released HGM", (BODY_HEAD,))
RELEASE_WITH_HEAD = Kind("the released HGM", ())


def kind_of(keys: Iterable[str], *, source: str) -> Kind:
    """The kind of a checkpoint: LGM's has a U-Net and its output layer, HGM's has more. Raises
    InputError for keys of neither."""
    names = []
    for key in keys:
        if not key.startswith(IGNORED):
            name = our_key(key)
            if name is None:
                raise InputError(
                    f"{source}: key {key} is neither LGM's nor the released HGM's; expected one "
                    "of their checkpoints"
                )
            names.append(name)
    if all(name.startswith(("unet.", "conv.")) for name in names):
        return LGM
    return RELEASE_WITH_HEAD if any(name.startswith(BODY_HEAD) for name in names) else RELEASE


def fitting(
    config: HGMConfig, tensors: Mapping[str, Tensor], kind: Kind, *, source: str
) -> HGMConfig:
    """`config` changed to fit weights of the released HGM: with its faults, one attention key for
    each view, and the number of vertices of its body model."""
    if kind is LGM:
        return config
    if TOKENS not in tensors:
        raise InputError(
            f"{source}: key {TOKENS}, the vertex tokens, is missing; give a whole checkpoint of "
            f"{kind.title}"
        )
    shape = list(tensors[TOKENS].shape)
    if len(shape) != 2 or shape[0] not in BODIES:
        raise InputError(
            f"{source}: key {TOKENS} has shape {shape}; expected a row for each of the "
            + " or ".join(f"{count} vertices of {body}" for count, body in BODIES.items())
        )
    return config.replace(vertices=shape[0], legacy=True, patch=1, spare_layers=True)


Counts = dict[str, tuple[int, int]]  # part -> number of tensors and of parameters


@dataclass(frozen=True)
class Adopted:
    """What a model took from a checkpoint, by part. Normalization statistics count as tensors but
    not as parameters."""

    kind: Kind
    taken: Counts
    new: Counts  # parts that the file lacks; they keep their initial weights
    ignored: Counts  # keys of the file that are not used, by their first word


def adopt(model: HGM, tensors: Mapping[str, Tensor], *, source: str) -> Adopted:
    """Fill a model with all tensors of a checkpoint of LGM or of the released HGM, by name.

    Sparse kernels are converted from spconv's layout, half precision to float32. Raises InputError
    that names `source` and the key where a tensor is missing, unknown or has the wrong shape; the
    model is unchanged then.
    """
    kind = kind_of(tensors, source=source)
    own = model.state_dict()
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key.startswith(IGNORED):
            continue
        name = our_key(key)
        if name is None or name not in own:
            raise InputError(
                f"{source}: key {key} of shape {list(tensor.shape)} has no place in the model; "
                f"give a checkpoint of {kind.title} of the model's widths"
            )
        sparse = own[name].ndim == 3 and name.startswith("volume.")
        shape = to_spconv(own[name]).shape if sparse else own[name].shape
        if tensor.shape != shape:
            raise InputError(
                f"{source}: key {key} has shape {list(tensor.shape)}, expected {list(shape)}; "
                f"give a checkpoint of {kind.title} of the model's widths"
            )
        found[name] = from_spconv(tensor) if sparse else tensor
    new = {
        name: tensor
        for name, tensor in own.items()
        if name not in found and name.startswith(kind.lacks)
    }
    assign(model, {**new, **found}, source=f"{source}, read as {kind.title}")
    learned = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return Adopted(
        kind,
        _count((_part(name), learned.get(name, 0)) for name in own if name in found),
        _count((_part(name), learned.get(name, 0)) for name in new),
        _count(
            (key.split(".")[0], tensor.numel())
            for key, tensor in tensors.items()
            if key.startswith(IGNORED)
        ),
    )


def _part(name: str) -> str:
    """The part that a key of our model belongs to: its first word, or its first two words in the
    body branch, whose modules come from different places, and in spare layers."""
    first, second = name.split(".")[:2]
    return f"{first}.{second}" if first == "body" or second.endswith("_2") else first


def _count(items: Iterable[tuple[str, int]]) -> Counts:
    counts: Counts = {}
    for part, numbers in items:
        tensors, total = counts.get(part, (0, 0))
        counts[part] = tensors + 1, total + numbers
    return counts
