"""`hgm import-weights`: published checkpoints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_import_weights(verbs: Verbs) -> None:
    p = verbs.add(
        "import-weights",
        "turn a published LGM or HGM checkpoint into a model folder",
        "hgm import-weights model_fp16_fixrot.safetensors --out lgm",
        _import_weights,
    )
    p.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="LGM's big model or the released HGM: .safetensors or .pth, .pt, .ckpt",
    )
    p.add_argument(
        "--out", type=Path, required=True, help="folder for weights.safetensors and model.json"
    )
    p.add_argument(
        "--views", type=int, default=1, help="input views of the model: 1 (coarse) or 2 (fusion)"
    )


def _import_weights(args: argparse.Namespace) -> int:
    from hgm.systems.hgm.networks.config import HGMConfig
    from hgm.systems.hgm.networks.imports import import_weights, summary

    model, adopted = import_weights(args.file, args.out, HGMConfig.paper(args.views))
    for line in (
        f"{args.file}: a checkpoint of {adopted.kind.title}",
        *summary(model, adopted),
        f"{args.out}: written",
    ):
        sys.stdout.write(f"{line}\n")
    return 0
