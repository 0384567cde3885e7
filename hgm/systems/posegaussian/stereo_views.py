"""The pairs of one part: rendered from its scans, or taken over from somebody who rendered them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from hgm.core.items import Outcome, for_each
from hgm.core.keys import file_digest, key_of
from hgm.errors import ScanError
from hgm.render.chunk import common_key
from hgm.render.pool import Item, do_in_workers
from hgm.scans.data_source import STANDIN, DataSource
from hgm.scans.sources import SCANS
from hgm.systems.posegaussian.layout import PairFiles, pair_name
from hgm.systems.posegaussian.marks import link_files
from hgm.systems.posegaussian.parts import (
    HARD,
    condition_of,
    folder_of,
    given_folder,
    subject_of,
)
from hgm.systems.posegaussian.rig import NOVEL
from hgm.systems.posegaussian.settings import Pairs
from hgm.systems.posegaussian.views import MARKS, STAGE, TASK, PairsWork, pair_folders, remove_pairs

Progress = Callable[[int, str], None]


def render_pairs(
    place: DataSource,
    scans: Sequence[str],
    part: str,
    out: Path,
    pairs: Pairs,
    *,
    seed: int,
    workers: int,
    code: str,
    count: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Render the pairs of a part's scans into the layout in `out/<folder of the part>`: all of
    each, or the first `count`; those of a scan whose key is unchanged stay. The members of the
    outcome are pairs, the failed are scans.

    Raises InputError as `do_in_workers`, and for a data set that brings views instead of scans.
    """
    if place.source not in SCANS:
        raise ScanError(
            f"scans.source: {place.source} has no scans to render pairs from; name its pairs with "
            "pairs.root"
        )
    hard = condition_of(part) == HARD and place.source == STANDIN
    count = pairs.per_scan if count is None else count
    common = common_key(place.models, place.gender, code)
    items, rejected, root = [], {}, out / folder_of(part)
    for scan in scans:
        name = subject_of(scan, part)
        try:
            files = SCANS[place.source](place.root, scan)
            key = key_of(
                pairs.model_dump(), count, seed, place.gender, common, hard, files.digests()
            )
        except ScanError as error:
            rejected[name] = str(error)
            continue
        data = {
            "scan": scan,
            "obj": str(files.obj.resolve()),
            "fit": str(files.fit.resolve()),
            "hard": hard,
        }
        items.append(Item(name, key, data, str(files.obj)))
    work = PairsWork(
        pairs=pairs,
        count=count,
        seed=seed,
        models=str(place.models.resolve()),
        gender=place.gender,
    )
    done = do_in_workers(
        TASK,
        items,
        root / MARKS,
        work,
        stage=STAGE,
        noun="scan",
        rejected=rejected,
        workers=workers,
        progress=progress,
    )
    for name in done.failed:  # older pairs must not be taken for theirs
        remove_pairs(root, name)
    numbers = range(count)
    members = {pair_name(name, i): key for name, key in done.members.items() for i in numbers}
    return Outcome(members, done.failed)


def take_pairs(
    given: Path, scans: Sequence[str], part: str, out: Path, *, size: int, code: str
) -> Outcome:
    """Take over all pairs of the scans in the folder `given`, which holds the split's folder, as
    links in `out/<split>`, without heat maps. A pair that is unusable or not of `size` pixels is
    set aside, and so is a scan without any."""
    source, root = given_folder(given, part), out / folder_of(part)
    for scan in scans:
        if (root / MARKS / scan).exists():  # rendered here before
            shutil.rmtree(root / MARKS / scan)
            remove_pairs(root, scan)
    found = {scan: [p.name for p in pair_folders(source, scan) if p.is_dir()] for scan in scans}

    def key(name: str) -> str:
        files = PairFiles(source, name).files()
        return key_of(
            code, size, [f"{f.parent.parent.name}/{f.name} {file_digest(f)}" for f in files]
        )

    def work(name: str, folder: Path) -> None:
        pair = PairFiles(source, name)
        check_given(pair, size)
        taken = PairFiles(root, name)
        taken.remove()
        for file in pair.files():
            link = taken.folder(file.parent.parent.name) / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
        link_files(taken.files(), folder)

    outcome = for_each(
        [name for names in found.values() for name in names],
        STAGE,
        folder=lambda name: root / MARKS / name,
        key=key,
        work=work,
        may_lack_all=True,
    )
    there = {folder.name for scan in scans for folder in pair_folders(root, scan)}
    for name in there - outcome.members.keys():  # older links must not be taken for the pair
        shutil.rmtree(root / MARKS / name, ignore_errors=True)
        PairFiles(root, name).remove()
    for scan in (scan for scan, names in found.items() if not names):
        outcome.failed[scan] = f"{source / 'img'}: no folder {scan}_000 or another pair of {scan}"
    return outcome


def check_given(pair: PairFiles, size: int) -> None:
    """Raise InputError for the first fault of a pair that somebody else rendered: photos, which are
    `size` pixels large, cameras, depth, or views between."""
    photos = pair.photos()
    if photos.size != size:
        raise ScanError(
            f"{pair.image(0)}: {photos.size} pixels, but pairs.size is {size}; set it to the size "
            "of the photos"
        )
    if photos.inverse_depth is None:
        raise ScanError(
            f"{pair.folder('depth')}: no depth of the photos; expected 0.png and 1.png, from which "
            "the disparity is learned"
        )
    for view in NOVEL:
        pair.camera(view, (size, size))
        pair.large_picture(view)
