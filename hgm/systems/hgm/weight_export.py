"""The networks of a finished run as a small folder that can be passed on: half precision, the run's
record, and a model card that says what they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hgm.core.files import atomic_folder, atomic_write
from hgm.core.keys import folder_digest
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError
from hgm.nets.weights import WEIGHTS, read_tensors, save_tensors
from hgm.systems.hgm.model_card import model_card
from hgm.systems.hgm.run_folder import HGMFolder
from hgm.systems.hgm.starter import MANIFEST, MODEL
from hgm.systems.hgm.variants import VARIANTS
from hgm.workflow.finished import finished_config

CARD = "README.md"
MB = 1e6
FORMAT = {"format": "pt"}  # without which transformers reads no safetensors file
STATISTICS = "running_"  # in the names of the statistics of normalizations
OWN = ("images", "init")  # of the configuration: files of the user's that are not passed on


@dataclass(frozen=True)
class ExportedWeights:
    """What was written: sizes in bytes of the files by their place in the folder."""

    sizes: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.sizes.values())

    @property
    def networks(self) -> dict[str, int]:
        """Sizes of the networks by the names of their folders."""
        found: dict[str, int] = {}
        for name, size in self.sizes.items():
            folder, _, file = name.partition("/")
            if file:
                found[folder] = found.get(folder, 0) + size
        return found


def export_weights(run: Path, out: Path, *, most: float | None = None) -> ExportedWeights:
    """Write the networks that the run in the folder `run` trained to `out`, in the layout of a run
    (`HGMFolder`): weights in float16, which are read as float32, run.json and README.md. Networks
    without a body branch are among them where the run has trained any.

    most: megabytes that all files together may have. Equal runs give equal bytes. Raises InputError
    where a network is missing, is not the run's own, or does not fit float16, and where the files
    are larger; `out` is then as it was.
    """
    config = finished_config(run)
    source = HGMFolder(run)
    if config["base"]["folder"] is not None:
        raise InputError(
            f"{run}: its base is the one of base.folder, {config['base']['folder']}, which is not "
            "the run's to pass on; export a run that trained its own"
        )
    bare = VARIANTS["no_body"].branch
    branches = ["", *([bare] if source.fusion(bare).is_dir() else [])]
    trained = [source.coarse(b) for b in branches] + [source.fusion(b) for b in branches]
    if config["normals"]["icon"] is None:
        trained.append(source.normals)
    with atomic_folder(out) as work:
        for folder in trained:
            _halve(folder / WEIGHTS, work / folder.name / WEIGHTS)
            _copy(folder / MODEL, work / folder.name / MODEL)
        for folder in (source.base, source.controlnet):
            _export_diffusers(folder, work / folder.name)
        record = read_json(source.record)
        kept = {key: value for key, value in record["config"].items() if key not in OWN}
        write_json(work / source.record.name, {**record, "config": kept})
        card = model_card(source, config, work)
        with atomic_write(work / CARD, "w") as file:
            file.write(card)
        sizes = {
            path.relative_to(work).as_posix(): path.stat().st_size
            for path in sorted(work.rglob("*"))
            if path.is_file()
        }
        exported = ExportedWeights(sizes)
        if most is not None and exported.total > most * MB:
            largest = max(sizes, key=lambda name: sizes[name])
            raise InputError(
                f"--most: the networks of {run} have {exported.total / MB:.1f} MB in half "
                f"precision, more than {most:g}; the largest is {largest} with "
                f"{sizes[largest] / MB:.1f} MB; train smaller ones"
            )
    return exported


def halved(tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Weights in float16; whole numbers and the statistics of normalizations, which may be tiny, as
    they are. Raises InputError, which names `source`, for a number that float16 cannot hold."""
    found = {}
    for name, tensor in tensors.items():
        kept = not tensor.is_floating_point() or STATISTICS in name
        small = tensor if kept else tensor.half()
        if small.is_floating_point() and not torch.isfinite(small).all():
            raise InputError(
                f"{source}: key {name} holds numbers beyond those of half precision; train again"
            )
        found[name] = small
    return found


def _halve(file: Path, out: Path) -> None:
    save_tensors(halved(read_tensors(file), source=str(file)), out, FORMAT)


def _copy(file: Path, out: Path) -> None:
    if not file.is_file():
        raise InputError(f"{file}: no such file; finish the run first")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, out)


def _export_diffusers(folder: Path, out: Path) -> None:
    """A diffusers folder without the tables of its training, and with a manifest of its own."""
    manifest = read_json(folder / MANIFEST, "finish the run first")
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = out / file.relative_to(folder)
        if file.suffix == ".safetensors":
            _halve(file, place)
        elif file.suffix != ".tsv" and file.name != MANIFEST:
            _copy(file, place)
    write_json(out / MANIFEST, {**manifest, "key": folder_digest(out)})
