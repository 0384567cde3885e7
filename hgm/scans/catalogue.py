"""The list of scans: names, splits and stable chunks; `scans.tsv` and the list of what was set
aside and why."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgm.core.checkout import found
from hgm.core.files import atomic_write
from hgm.core.home_paths import without_home
from hgm.errors import InputError

SPLITS = ("train", "val", "test")
HUMMAN = re.compile(r"p\d{6}_a\d{6}(_\d{6})?")  # a sequence, with or without a frame


@dataclass(frozen=True)
class Entry:
    """One row of scans.tsv."""

    scan: str
    split: str
    chunk: str


def parse_ids(text: str, key: str = "scans") -> list[str]:
    """`0000-0003, 0010` -> four-digit ids in order; HuMMan's names stay as they are. Raises
    InputError that names `key`.

    A name of a text file (one id a line) is read instead, of the working folder or of the checkout
    (resources/splits).
    """
    if text.endswith(".txt"):
        try:
            text = ",".join(found(text).read_text().split())
        except (OSError, ValueError) as error:
            raise InputError(f"{key}: cannot read the list {text} ({error})") from None
    ids: list[str] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        if HUMMAN.fullmatch(part):
            ids.append(part)
            continue
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        if not match:
            raise InputError(
                f"{key}: {part!r} is not an id or a range; expected for example 0000-0003, 0010"
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first:
            raise InputError(f"{key}: the range {part!r} runs backwards")
        ids += [f"{i:04d}" for i in range(first, last + 1)]
    double = [i for i, count in Counter(ids).items() if count > 1]
    if double:
        raise InputError(f"{key}: {min(double)} stands in it twice")
    return ids


def assign(
    splits: dict[str, Sequence[str]], chunk_size: int, *, test_apart: bool = False
) -> list[Entry]:
    """Put the ids of each split into chunks of `chunk_size` in the given order, so that ids added
    at the end of a list only ever fill the last chunk or open new ones. Raises InputError if an id
    is in two splits of one data set;
    `test_apart`: the test scans are of another one.
    """
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for split in SPLITS:
        if split == "test" and test_apart:
            seen = {}
        for position, scan in enumerate(splits.get(split, ())):
            if scan in seen:
                raise InputError(f"scans.{split}: {scan} is already in scans.{seen[scan]}")
            seen[scan] = split
            entries.append(Entry(scan, split, f"{split}{position // chunk_size:03d}"))
    return entries


def has_own_test_set(scans: Mapping[str, Any]) -> bool:
    """Whether the test scans come from a data set of their own (scans.test_source). Raises
    InputError where only test_root or test_gender is set: they mean nothing without test_source."""
    if scans.get("test_source") is not None:
        return True
    for key in ("test_root", "test_gender"):
        if scans.get(key) is not None:
            raise InputError(
                f"scans.{key}: counts only with a data set of the test scans; set scans.test_source"
            )
    return False


def data_of(scans: Mapping[str, Any], split: str) -> dict[str, Any]:
    """Where the scans of a split and the body models of their fits are: source, root, models,
    gender, and for test scans of a data set of their own the `key` that names their root."""
    data = {key: scans[key] for key in ("source", "root", "models", "gender")}
    if split != "test" or not has_own_test_set(scans):
        return data
    return {
        **data,
        "source": scans["test_source"],
        "root": scans["test_root"],
        "gender": scans["test_gender"] or scans["gender"],
        "key": "scans.test_root",
    }


def data_sets(scans: Mapping[str, Any]) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """`data_of` of each data set in use, with its splits."""
    if has_own_test_set(scans):
        return [(data_of(scans, "train"), ("train", "val")), (data_of(scans, "test"), ("test",))]
    return [(data_of(scans, "train"), SPLITS)]


def configured_entries(scans: Mapping[str, Any]) -> list[Entry]:
    """The scans that section `scans` of the configuration names, in their chunks. Raises InputError
    for names that are not of its data set."""
    entries = assign(
        {split: parse_ids(scans[split], f"scans.{split}") for split in SPLITS},
        scans["chunk"],
        test_apart=has_own_test_set(scans),
    )
    for entry in entries:
        source = (
            scans["test_source"]
            if entry.split == "test" and has_own_test_set(scans)
            else scans["source"]
        )
        named = source == "humman"
        if bool(HUMMAN.fullmatch(entry.scan)) != named:
            expected = "p000455_a000986 or p000455_a000986_000006" if named else "0000"
            raise InputError(
                f"scans.{entry.split}: {entry.scan} is not a name of {source}; expected for "
                f"example {expected}"
            )
    return entries


def chunks(entries: Iterable[Entry], *splits: str) -> list[str]:
    """Names of the chunks of the given splits, in order."""
    return list(dict.fromkeys(e.chunk for e in entries if not splits or e.split in splits))


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A tab-separated table by atomic rename; paths below the home folder begin with `~`."""
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([without_home(list(row)) for row in rows])


def read_table(path: str | Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="") as file:
            return list(csv.DictReader(file, delimiter="\t", restval=""))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); run the catalogue rule first"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: not a tab-separated table ({error}); run the catalogue rule again"
        ) from None


def is_folder_name(name: str) -> bool:
    """Whether a name can be that of a folder inside another one."""
    return name.isprintable() and Path(name).name == name not in ("", "..")


def read_entries(path: str | Path) -> list[Entry]:
    """The accepted scans of scans.tsv."""
    try:
        entries = [Entry(r["scan"], r["split"], r["chunk"]) for r in read_table(path)]
    except KeyError as error:
        raise InputError(f"{path}: has no column {error}; expected scan, split, chunk") from None
    for line, entry in enumerate(entries, 2):
        if (
            not is_folder_name(entry.scan)
            or not is_folder_name(entry.chunk)
            or entry.split not in SPLITS
        ):
            raise InputError(
                f"{path}: line {line} is not a scan, a split and a chunk; run the catalogue rule "
                "again"
            )
    return entries
