"""The card of exported networks: what they learned from, by which recipe, how good they are, and
what nobody must use them for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hgm.core.keys import file_digest
from hgm.core.manifests import read_json
from hgm.report.paper import MEAN
from hgm.report.run import read_rows
from hgm.scans.catalogue import configured_entries
from hgm.scans.data_source import STANDIN
from hgm.systems.hgm.run_folder import HGMFolder

STANDINS = (
    "Free stand-in humans, made by this package (CC0 1.0). No scan, photo or likeness of a real "
    "person was used."
)
SCANS = (
    "Scans of the data set {source}. Its license decides whether these weights may be passed on "
    "and what they may be used for."
)
LIMITS = (
    "They have seen {data}. Of people in real photos they make a rough shape in the photo's "
    "colors: the side that the photo does not show is invented.",
    "Nothing measured with them is evidence about real people, and no number of theirs compares "
    "with the paper's.",
    "They are not made for telling who somebody is, for measuring bodies, for medical or security "
    "purposes, nor for pictures of people who have not agreed.",
)
LICENSE = (
    "Apache-2.0, as the package. smplx, which evaluates the body model, is licensed for "
    "non-commercial research."
)
STAGES = ("coarse", "fusion", "normals", "controlnet")
# table of the run, columns with their names in the card, and which rows
MEASURES: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("nvs", {"psnr": "PSNR (dB)", "ssim": "SSIM"}, {"definition": "standard"}),
    ("backview", {"psnr": "back: PSNR (dB)", "ssim": "back: SSIM"}, {"definition": "standard"}),
    ("geometry", {"chamfer_cm": "Chamfer (cm)"}, {"alignment": "none"}),
    ("smplx", {"initial_mpjpe_mm": "first body (mm)", "mpjpe_mm": "refined (mm)"}, {}),
)


def model_card(run: HGMFolder, config: Mapping[str, Any], folder: Path) -> str:
    """Markdown for the networks in `folder`, of a finished run with this configuration; what the
    run has not measured is called so."""
    standin = config["scans"]["source"] == STANDIN
    record = read_json(run.record)
    data = STANDINS if standin else SCANS.format(source=config["scans"]["source"])
    seen = "synthetic people only" if standin else f"people of {config['scans']['source']} only"
    return "\n\n".join(
        [
            f"# Networks of the run {config['run']}",
            "HGM, from one photo of a person to 3D Gaussians and a mesh: the one-view and the "
            "two-view networks, the small diffusion model with its ControlNet for the back view, "
            "and the net that reads normals. Half precision; `hgm reconstruct` reads them as "
            "float32.",
            f"## Data\n\n{data}\n\n{_people(config)}",
            f"## Recipe\n\n{_recipe(config)}\n\n"
            f"Commit `{record.get('git', {}).get('commit')}`, seed {config['seed']}. All settings "
            "are in `run.json`; its `config` is a configuration that trains them again.",
            f"## Measured\n\n{_measured(run)}",
            "## Not to be used for\n\n" + "\n".join(f"- {one}" for one in LIMITS).format(data=seen),
            f"## License\n\n{LICENSE}" if standin else "## License\n\nThat of the data set.",
            f"## Files\n\n{_files(folder)}\n",
        ]
    )


def _people(config: Mapping[str, Any]) -> str:
    entries = configured_entries(config["scans"])
    counts = {
        split: [entry.scan for entry in entries if entry.split == split]
        for split in ("train", "val", "test")
    }
    rows = [[split, len(ids), f"{ids[0]} … {ids[-1]}"] for split, ids in counts.items() if ids]
    size = config["rendering"]["size"]
    return _table(["split", "people", "ids"], rows) + f"\n\nPictures of {size} × {size} pixels."


def _recipe(config: Mapping[str, Any]) -> str:
    rows = [[name, config[name]["steps"], config[name]["batch"]] for name in STAGES]
    base = config["base"]
    rows.insert(2, ["base: autoencoder", base["vae_steps"], base["vae_batch"]])
    rows.insert(3, ["base: denoiser", base["unet_steps"], base["unet_batch"]])
    return _table(["training", "steps", "samples in a step"], rows)


def _measured(run: HGMFolder) -> str:
    """The means over the test people, who are no training people."""
    rows = []
    for table, columns, where in MEASURES:
        for row in read_rows(run.tables / f"{table}.csv", ","):
            if row.get("subject") == MEAN and where.items() <= row.items():
                name = next(iter(row.values()))
                rows += [[name, label, row.get(key) or "–"] for key, label in columns.items()]
    if not rows:
        return "Nothing was measured."
    return "Means over the test people, none of whom was trained on.\n\n" + _table(
        ["row", "measure", "value"], rows
    )


def _files(folder: Path) -> str:
    rows = [
        [f"`{path.relative_to(folder).as_posix()}`", path.stat().st_size, f"`{file_digest(path)}`"]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return _table(["file", "bytes", "SHA-256"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
