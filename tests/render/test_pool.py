"""The pool of worker processes with a task that is no rendering: what an item does to its process,
and what is done once."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hgm.core.items import Outcome
from hgm.core.keys import digest
from hgm.core.settings import Section, described
from hgm.errors import InputError, Interrupted, ScanError
from hgm.render.pool import Item, do_in_workers

# in a worker, which finds modules from the root of the checkout on
TASK = "tests.render.test_pool:Greeting"


class Words(Section):
    greeting: str = described("hello", "first word")
    voice: bool = described(True, "whether there is one")


class Greeting:
    """Writes a line to a file; an item may ask for harm."""

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        self.words = Words.model_validate(settings)
        if not self.words.voice:
            raise InputError("greeting: no voice; set voice")
        self.scratch = scratch

    def do(self, item: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
        print("this is not an answer")
        harm = item.get("harm")
        if harm == "unusable":
            raise ScanError(f"{item['name']}: has no face")
        if harm == "abort":
            os.abort()
        if harm == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if harm == "memory":
            raise MemoryError
        folder.mkdir(exist_ok=True)
        (folder / "line.txt").write_text(f"{self.words.greeting} {item['name']}\n")
        return {"scratch": self.scratch.is_dir()}

    def close(self) -> None:
        (self.scratch / "closed").touch()


def item(name: str, harm: str = "") -> Item:
    return Item(name, digest(name), {"harm": harm} if harm else {})


def do(items: list[Item], out: Path, words: Words | None = None, **options: Any) -> Outcome:
    return do_in_workers(TASK, items, out, words or Words(), stage="greet", noun="guest", **options)


def lines(out: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in out.glob("*/line.txt")}


def test_each_item_is_done_once(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []
    items = [item("ann"), item("bob")]
    first = do(items, tmp_path, progress=lambda count, name: seen.append((count, name)))
    assert first.members == {"ann": digest("ann"), "bob": digest("bob")} and not first.failed
    assert lines(tmp_path) == {"ann": "hello ann\n", "bob": "hello bob\n"}
    assert seen == [(1, "ann"), (2, "bob")]

    (tmp_path / "ann" / "line.txt").write_text("hello ann, kept\n")
    (tmp_path / "bob" / "line.txt").unlink()
    (tmp_path / ".cid.1.part").mkdir()
    again = do([*items, item("cid")], tmp_path, Words(greeting="good day"), workers=2)
    assert list(again.members) == ["ann", "bob", "cid"]
    assert lines(tmp_path) == {
        "ann": "hello ann, kept\n",
        "bob": "good day bob\n",
        "cid": "good day cid\n",
    }
    assert not list(tmp_path.glob(".*"))


def test_what_harms_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    (tmp_path / "old").mkdir()
    seen: list[tuple[int, str]] = []
    outcome = do(
        [item("ann"), item("bob", "unusable"), item("cid", "abort"), item("dot")],
        tmp_path,
        rejected={"old": "old: no file"},
        progress=lambda count, name: seen.append((count, name)),
    )
    assert list(outcome.members) == ["ann", "dot"] and list(outcome.failed) == ["bob", "cid", "old"]
    assert outcome.failed["bob"] == "bob: has no face" and outcome.failed["old"] == "old: no file"
    assert outcome.failed["cid"].startswith("cid: ") and "SIGABRT" in outcome.failed["cid"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ann", "dot"]
    assert seen == [(2, "ann"), (3, "bob"), (4, "cid"), (5, "dot")]


@pytest.mark.parametrize("harm", ["killed", "memory"])
def test_what_is_stopped_from_outside_is_no_fault(harm: str, tmp_path: Path) -> None:
    items = [item("ann"), Item("bob", digest("bob"), {"harm": harm}, "guests/bob"), item("cid")]
    with pytest.raises(Interrupted, match=r"guests/bob: .* was stopped .* without the guest"):
        do(items, tmp_path)
    assert sorted(lines(tmp_path)) == ["ann", "cid"]
    assert not do([item("ann"), item("bob"), item("cid")], tmp_path).failed
    assert sorted(lines(tmp_path)) == ["ann", "bob", "cid"]


def test_when_all_take_their_workers_down_it_is_not_their_fault(tmp_path: Path) -> None:
    items = [item(name, "abort") for name in ("ann", "bob", "cid", "dot")]
    with pytest.raises(InputError, match=r"cid: .* this guest died, as did those of 2 before it"):
        do(items, tmp_path)


def test_what_the_task_lacks_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no voice; set voice"):
        do([item("ann")], tmp_path, Words(voice=False))
    with pytest.raises(InputError, match=r"works on guests does not start: .*'tests\.none'"):
        do_in_workers(
            "tests.none:Task", [item("ann")], tmp_path, Words(), stage="greet", noun="guest"
        )


def test_two_items_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two guests of one chunk"):
        do([item("ann"), item("ann")], tmp_path)
