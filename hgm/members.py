"""Members of a chunk: each is done once, keyed by what decides its result; a bad one is noted and the others go on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.provenance import write_json
from hgm.runtime import Progress

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """Keys of the finished members and reasons of the failed ones; goes into a manifest."""

    members: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def manifest(self, stage: str, **more: Any) -> dict[str, Any]:
        return {"stage": stage, "members": self.members, "failed": self.failed, **more}


def finished(folder: Path, stage: str, key: str) -> bool:
    """Whether `folder` holds this stage's result for this key."""
    try:
        return json.loads((folder / f".{stage}.json").read_text()) == {"key": key}
    except (OSError, ValueError):
        return False


def for_each(
    names: Collection[str], stage: str, *, folder: Callable[[str], Path], key: Callable[[str], str],
    work: Callable[[str, Path], None], may_lack_all: bool = False,
) -> Outcome:
    """Do `work(name, folder)` for every member whose folder has no mark of the same key; the mark is written last.

    InputError of a member becomes its reason in `failed`; if no member is left, an InputError with the first reason is raised,
    unless all may be lacking.
    """
    outcome, progress = Outcome(), Progress(stage, len(names))
    for name in progress.each(names, str):
        try:
            identity, place = key(name), folder(name)
            if not finished(place, stage, identity):
                place.mkdir(parents=True, exist_ok=True)
                (place / f".{stage}.json").unlink(missing_ok=True)
                work(name, place)
                write_json(place / f".{stage}.json", {"key": identity})
            outcome.members[name] = identity
            log.info("%s %s: done", stage, name)
        except InputError as error:
            outcome.failed[name] = str(error)
            log.error("%s %s: set aside: %s", stage, name, error)
    if outcome.failed and not outcome.members and not may_lack_all:
        name, reason = next(iter(outcome.failed.items()))
        raise InputError(f"{stage}: none of {len(outcome.failed)} members could be done; first {name}: {reason}")
    return outcome
