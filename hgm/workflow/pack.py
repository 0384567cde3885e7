"""A rendered data set as one small file: made on a machine with many cores, unpacked on one with a
GPU.

Colors, masks and normals are kept exactly, as lossless WebP. Body vertices are computed again from
their parameters. Depth is kept for the test people only, since nothing trains on it.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from hgm.body.canonical import canonical
from hgm.body.files import PlacedBody
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.core.files import atomic_write
from hgm.core.items import mark_whole, outcome_in
from hgm.core.manifests import read_json
from hgm.core.progress import Progress
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.images.views import png_bytes
from hgm.render.member import STAGE
from hgm.scans.catalogue import (
    configured_entries,
    data_sets,
    has_own_test_set,
    read_entries,
)
from hgm.scans.data_source import STANDIN, body_model
from hgm.workflow.configuration import Config

LOSSLESS = {"rgb": "RGB", "mask": "L", "normal": "RGB"}  # kind of view -> PIL mode
LARGEST = 64 << 20  # bytes of an unpacked file; views of the paper's preset have 1 % of it
PICTURE = re.compile(r"(rgb|mask|normal)_\d{2,}\.webp")
INSIDE = RunFolder(Path())  # the layout of a run, relative to the archive
PERSON = r"(cameras\.json|smplx\.npz|(rgb|mask|normal)_\d{2,}\.webp|depth_\d{2,}\.png)"
PLACES = re.compile(
    "|".join(
        [
            re.escape(str(INSIDE.scans)),
            re.escape(str(INSIDE.rejected)),
            rf"{INSIDE.standin}/\w+\.json",
            rf"{INSIDE.views}/\w+/{INSIDE.chunk_views('x').name}",
            rf"{INSIDE.views}/\w+/\w+/{PERSON}",
        ]
    )
)


def pack(config: Config, out: Path) -> int:
    """Write the rendered views of a run to the file `out`, with all that the workflow needs to
    accept them as its own products.

    Returns the number of people; equal views give equal bytes. Raises InputError while a chunk is
    not rendered.
    """
    run = RunFolder.named(config.run)
    if not run.scans.is_file():
        raise InputError(
            f"{run.scans}: not there; render first: "
            "snakemake --cores all --configfile <the same> views"
        )
    entries = read_entries(run.scans)
    chunks = list(dict.fromkeys(e.chunk for e in entries))
    for chunk in chunks:
        if not run.chunk_views(chunk).is_file():
            raise InputError(
                f"{run.chunk_views(chunk).parent}: not rendered yet; finish the target views first"
            )
    people = 0
    with (
        Progress("pack", len(entries)) as progress,
        atomic_write(out) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for path in [run.scans, run.rejected, *sorted(run.standin.glob("*.json"))]:
            _add(archive, run.path, path)
        for chunk in chunks:
            manifest = run.chunk_views(chunk)
            for scan in sorted(read_json(manifest)["members"]):
                _add_views(
                    archive, run.path, manifest.parent / scan, depth=chunk.startswith("test")
                )
                people += 1
                progress.update(people, scan)
            _add(archive, run.path, manifest)
    return people


def _add(archive: zipfile.ZipFile, results: Path, path: Path, data: bytes | None = None) -> None:
    entry = zipfile.ZipInfo(path.relative_to(results).as_posix())  # without a time stamp
    packed = path.suffix in (".webp", ".png")
    archive.writestr(
        entry,
        path.read_bytes() if data is None else data,
        zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED,
    )


def _add_views(archive: zipfile.ZipFile, results: Path, folder: Path, *, depth: bool) -> None:
    for kind in LOSSLESS:
        for path in sorted(folder.glob(f"{kind}_*.png")):
            buffer = io.BytesIO()
            with Image.open(path) as image:
                # lossless: `quality` is the effort to compress
                image.save(buffer, "WEBP", lossless=True, quality=60, method=6)
            _add(archive, results, path.with_suffix(".webp"), buffer.getvalue())
    for path in sorted(folder.glob("depth_*.png")) if depth else []:
        _add(archive, results, path)
    buffer = io.BytesIO()
    np.savez(buffer, **BodyParameters.from_npz(folder / "smplx.npz").arrays())
    _add(archive, results, folder / "smplx.npz", buffer.getvalue())
    _add(archive, results, folder / "cameras.json")


def unpack(file: Path, config: Config) -> int:
    """Unpack a data set of `hgm pack` into results/<run>, where the workflow continues with it.

    Stand-in test people are made again from their ids, since evaluation measures their surfaces.
    Returns the number of people. Raises InputError for another kind of file, for scans other than
    the configuration's, and where the run has views already.
    """
    run = RunFolder.named(config.run)
    if run.views.exists():
        raise InputError(
            f"{run.views}: there already; remove it, or give the run another name (run: …)"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            return _unpack(archive, file, config, run)
    except InputError:
        raise
    # a damaged archive can raise anything from zipfile, zlib and the readers of what is in it
    except Exception as error:
        raise InputError(f"{file}: not a whole file of hgm pack ({error})") from None


def _unpack(archive: zipfile.ZipFile, file: Path, config: Config, run: RunFolder) -> int:
    names = archive.namelist()
    for member in archive.infolist():
        if not PLACES.fullmatch(member.filename):
            raise InputError(
                f"{file}: {member.filename!r} has no place in a data set; expected a file of hgm "
                "pack"
            )
        if member.file_size > LARGEST:
            raise InputError(
                f"{file}: {member.filename} would unpack to {member.file_size >> 20} MiB; "
                "expected a file of hgm pack"
            )
    scans = config.scans.model_dump()
    wanted = {e.scan for e in configured_entries(scans)}
    present = {Path(n).parent.name for n in names if n.endswith("/cameras.json")}
    if str(INSIDE.scans) not in names or not present | _named(archive, names) <= wanted:
        raise InputError(
            f"{file}: of other scans than {', '.join(sorted(wanted)[:3])} …; give the "
            "configuration it was made with"
        )
    if scans["source"] == STANDIN:
        _make_standins(config, run)
    models = {split: body_model(data, run) for data, splits in data_sets(scans) for split in splits}
    people = 0
    with Progress("unpack", len(present)) as progress:
        # Snakemake compares the times of files, so they are written in the order in which the rules
        # make them
        for name in sorted(
            names,
            key=lambda n: (
                Path(n).is_relative_to(INSIDE.views),
                n.endswith((".tsv", "manifest.json")),
                n,
            ),
        ):
            target = run.path / name
            data = archive.read(name)
            if PICTURE.fullmatch(target.name):
                target, data = (
                    target.with_suffix(".png"),
                    _png(data, LOSSLESS[target.name.split("_")[0]]),
                )
            elif target.name == "smplx.npz":
                people += 1
                progress.update(people, target.parent.name)
            with atomic_write(target) as out:
                out.write(data)
            if target.name == "smplx.npz":
                chunk = target.parent.parent.name
                _complete_body(target, models["test" if chunk.startswith("test") else "train"])
    for chunk in {Path(name).parts[1] for name in names if Path(name).is_relative_to(INSIDE.views)}:
        manifest = run.chunk_views(chunk)
        for scan, key in outcome_in(manifest).members.items():
            mark_whole(manifest.parent / scan, STAGE, key)
    return people


def _named(archive: zipfile.ZipFile, names: list[str]) -> set[str]:
    """The scans that the tables and the manifests name; later stages make folders of these names.
    Raises ValueError for a manifest that is damaged."""
    tables = [
        io.StringIO(archive.read(str(place)).decode())
        for place in (INSIDE.scans, INSIDE.rejected)
        if str(place) in names
    ]
    found = {
        str(row.get("scan")) for table in tables for row in csv.DictReader(table, delimiter="\t")
    }
    for name in names:
        if name.endswith("/manifest.json"):
            manifest = json.loads(archive.read(name))
            if not isinstance(manifest, dict):
                raise ValueError(f"{name} is no manifest")
            found |= {*manifest.get("members", ()), *manifest.get("failed", ())}
    return found


def _png(webp: bytes, mode: str) -> bytes:
    with Image.open(io.BytesIO(webp)) as image:
        return png_bytes(np.asarray(image.convert(mode)))


def _complete_body(path: Path, model: BodyModel) -> None:
    params = BodyParameters.from_npz(path)
    PlacedBody(params, canonical(model, params)).save(path)


def _make_standins(config: Config, run: RunFolder) -> None:
    from hgm.standin import make_chunk
    from hgm.standin.body.core import write_models

    write_models(run.standin_models)
    scans = config.scans.model_dump()
    test = (
        []
        if has_own_test_set(scans)
        else [int(e.scan) for e in configured_entries(scans) if e.split == "test"]
    )
    make_chunk(run.standin, test, config.scans.texture)
