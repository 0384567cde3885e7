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
from hgm.core.manifests import read_json
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.images.views import png_bytes
from hgm.scans.catalogue import configured_entries, data_sets, has_own_test_set, read_entries
from hgm.scans.data_source import STANDIN, body_model
from hgm.workflow.configuration import Config

LOSSLESS = {"rgb": "RGB", "mask": "L", "normal": "RGB"}  # kind of view -> PIL mode
TABLES = ("scans.tsv", "rejected.tsv")
LARGEST = 64 << 20  # bytes of a member, unpacked; the views of the paper's preset have a hundredth
PICTURE = re.compile(r"(rgb|mask|normal)_\d{2,}\.webp")
PLACES = re.compile(
    r"scans\.tsv|rejected\.tsv|standin/\w+\.json|views/\w+/manifest\.json|"
    r"views/\w+/\w+/(cameras\.json|key\.json|smplx\.npz|(rgb|mask|normal)_\d{2,}\.webp|depth_\d{2,}\.png)"
)


def results_of(config: Config) -> Path:
    return Path("results") / config.run


def pack(config: Config, out: Path) -> int:
    """Write the rendered views of a run, with what the workflow needs to take them for its own, to
    the file `out`.

    Returns how many people are in it; equal views give equal bytes. Raises InputError while a chunk
    is not rendered.
    """
    results = results_of(config)
    table = results / TABLES[0]
    if not table.is_file():
        raise InputError(
            f"{table}: not there; render first: snakemake --cores all --configfile <the same> views"
        )
    entries = read_entries(table)
    chunks = list(dict.fromkeys(e.chunk for e in entries))
    for chunk in chunks:
        if not (results / "views" / chunk / "manifest.json").is_file():
            raise InputError(
                f"{results / 'views' / chunk}: not rendered yet; finish the target views first"
            )
    people = 0
    with (
        Progress("pack", len(entries)) as progress,
        atomic_write(out) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for path in [
            *(results / name for name in TABLES),
            *sorted((results / STANDIN).glob("*.json")),
        ]:
            _add(archive, results, path)
        for chunk in chunks:
            folder = results / "views" / chunk
            for scan in sorted(read_json(folder / "manifest.json")["members"]):
                _add_views(archive, results, folder / scan, depth=chunk.startswith("test"))
                people += 1
                progress.update(people, scan)
            _add(archive, results, folder / "manifest.json")
    return people


def _add(archive: zipfile.ZipFile, results: Path, path: Path, data: bytes | None = None) -> None:
    entry = zipfile.ZipInfo(path.relative_to(results).as_posix())  # with no time stamp of its own
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
                # of effort, not of pixels
                image.save(buffer, "WEBP", lossless=True, quality=60, method=6)
            _add(archive, results, path.with_suffix(".webp"), buffer.getvalue())
    for path in sorted(folder.glob("depth_*.png")) if depth else []:
        _add(archive, results, path)
    buffer = io.BytesIO()
    np.savez(buffer, **BodyParameters.from_npz(folder / "smplx.npz").arrays())
    _add(archive, results, folder / "smplx.npz", buffer.getvalue())
    for name in ("cameras.json", "key.json"):
        _add(archive, results, folder / name)


def unpack(file: Path, config: Config) -> int:
    """Put a packed data set in its place under results/<run>, so that the workflow goes on from
    there.

    Stand-in test people are made again from their ids, for the measures of their surface. Returns
    how many people came. Raises InputError for another kind of file, for other scans than the
    configuration's, and where views are already.
    """
    results = results_of(config)
    if (results / "views").exists():
        raise InputError(
            f"{results / 'views'}: there already; remove it, or give the run another name (run: …)"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            return _unpack(archive, file, config, results)
    except InputError:
        raise
    # a damaged archive can raise anything from zipfile, zlib and the readers of what is in it
    except Exception as error:
        raise InputError(f"{file}: not a whole file of hgm pack ({error})") from None


def _unpack(archive: zipfile.ZipFile, file: Path, config: Config, results: Path) -> int:
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
    present = {n.split("/")[2] for n in names if n.endswith("/key.json")}
    if TABLES[0] not in names or not present | _named(archive, names) <= wanted:
        raise InputError(
            f"{file}: of other scans than {', '.join(sorted(wanted)[:3])} …; give the "
            "configuration it was made with"
        )
    if scans["source"] == STANDIN:
        _make_standins(config, results)
    models = {
        split: body_model(data, results) for data, splits in data_sets(scans) for split in splits
    }
    people = 0
    with Progress("unpack", len(present)) as progress:
        # the workflow goes by the order of the files' times: what it made first comes first
        for name in sorted(
            names, key=lambda n: (n.startswith("views/"), n.endswith((".tsv", "manifest.json")), n)
        ):
            target = results / name
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
                _complete_body(
                    target, models["test" if name.split("/")[1].startswith("test") else "train"]
                )
    return people


def _named(archive: zipfile.ZipFile, names: list[str]) -> set[str]:
    """The scans that the tables and the manifests name: later stages make folders of these names.
    Raises ValueError for a damaged one."""
    tables = [io.StringIO(archive.read(name).decode()) for name in TABLES if name in names]
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


def _make_standins(config: Config, results: Path) -> None:
    from hgm.standin import make_chunk
    from hgm.standin.body.core import write_models

    write_models(results / STANDIN / "models")
    scans = config.scans.model_dump()
    test = (
        []
        if has_own_test_set(scans)
        else [int(e.scan) for e in configured_entries(scans) if e.split == "test"]
    )
    make_chunk(results / STANDIN, test, config.scans.texture)
