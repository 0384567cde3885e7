"""Converts a published checkpoint to a model folder of this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.nets.checkpoints import read_checkpoint
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.files import save_model
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.release import BODIES, LGM, Adopted, Counts, adopt, fitting, kind_of

SEED = 0  # of the random weights that a checkpoint lacks


def import_weights(path: str | Path, out: str | Path, config: HGMConfig) -> tuple[HGM, Adopted]:
    """Write `weights.safetensors` and `model.json` from a checkpoint of LGM or of the released HGM;
    which of the two it is follows from its keys.

    `config` has the widths, `HGMConfig.paper()` those of the published files, and the number of
    input views, which a file does not tell. Weights of the released HGM make a `legacy` model. The
    same file gives the same bytes. Raises InputError for a file that is missing, damaged, of
    neither kind or of other widths; nothing is written then.
    """
    if config.views not in (1, 2):
        raise InputError(f"views: expected 1 (coarse) or 2 (fusion), got {config.views}")
    source = str(path)
    with Progress("import-weights", 4) as progress:
        progress.update(0, "reading")
        tensors = read_checkpoint(path)
        progress.update(1, "building the network")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = HGM(fitting(config, tensors, kind_of(tensors, source=source), source=source))
        progress.update(2, "mapping")
        adopted = adopt(model, tensors, source=source)
        progress.update(3, "writing")
        save_model(model, out)
        progress.update(4)
    return model, adopted


def start_from_lgm(model: HGM, path: str | Path) -> Adopted:
    """Fill a model's U-Net from LGM's published checkpoint. Raises InputError for any other file
    and for other widths."""
    tensors = read_checkpoint(path)
    source = str(path)
    kind = kind_of(tensors, source=source)
    if kind is not LGM:
        raise InputError(
            f"{source}: a checkpoint of {kind.title}; expected LGM's, which a training can start "
            "from"
        )
    return adopt(model, tensors, source=source)


def summary(model: HGM, adopted: Adopted) -> Iterator[str]:
    """Lines that say which parts came from the checkpoint, which are new and which keys were
    ignored."""
    yield from _table("mapped", adopted.taken)
    yield from _table("new, with initial weights", adopted.new)
    yield from _table("ignored", adopted.ignored)
    if model.config.legacy:
        yield (
            f"legacy network, {model.config.views} input view(s), {model.config.vertices} "
            f"vertices of {BODIES[model.config.vertices]}"
        )


def _table(title: str, counts: Counts) -> Iterator[str]:
    for part, (tensors, numbers) in counts.items():
        yield f"{title}: {part}, {tensors} tensors, {numbers:,} parameters"
