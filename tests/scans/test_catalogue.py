import pytest
from checkouts import ROOT

from hgm.errors import InputError
from hgm.scans.catalogue import (
    Entry,
    assign,
    chunks,
    configured_entries,
    parse_ids,
    read_entries,
    write_table,
)


def test_ids_and_ranges():
    assert parse_ids("0000-0002, 0010,0525") == ["0000", "0001", "0002", "0010", "0525"]
    assert parse_ids("") == []


def test_names_of_humman_are_for_humman():
    """Sequences and frames stay as they are; each data set has its own kind of names."""
    assert parse_ids("p000455_a000986, p000455_a000986_000006") == [
        "p000455_a000986",
        "p000455_a000986_000006",
    ]
    scans = {
        "train": "",
        "val": "",
        "test": str(ROOT / "resources/splits/humman_sherf_test.txt"),
        "chunk": 11,
    }
    entries = configured_entries({**scans, "source": "humman"})
    assert len(entries) == 22 and chunks(entries) == ["test000", "test001"]
    with pytest.raises(
        InputError,
        match=r"scans\.test: p000455_a000986 is not a name of thuman2; expected for example 0000",
    ):
        configured_entries({**scans, "source": "thuman2"})
    with pytest.raises(
        InputError,
        match=r"scans\.test: 0505 is not a name of humman; expected for example p000455_a000986",
    ):
        configured_entries({**scans, "test": "0505", "source": "humman"})


def test_a_list_file(tmp_path):
    (tmp_path / "ids.txt").write_text("0003\n0007\n")
    assert parse_ids(str(tmp_path / "ids.txt")) == ["0003", "0007"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("0003-0001", "backwards"), ("abc", "range"), ("1,1", "twice"), ("no.txt", "no.txt")],
)
def test_bad_ids_name_the_key(text, word):
    with pytest.raises(InputError, match=rf"scans\.train.*{word}"):
        parse_ids(text, "scans.train")


def test_chunks_are_only_appended_to():
    few = assign({"train": parse_ids("0-6"), "test": ["0500"]}, 3)
    more = assign({"train": parse_ids("0-9"), "test": ["0500"]}, 3)
    place = {e.scan: e.chunk for e in more}
    assert all(place[e.scan] == e.chunk for e in few)
    assert chunks(few) == ["train000", "train001", "train002", "test000"]
    assert chunks(few, "test") == ["test000"]


def test_a_scan_is_in_one_split_only():
    with pytest.raises(InputError, match=r"scans\.test: 0001 is already in scans\.train"):
        assign({"train": ["0001"], "test": ["0001"]}, 5)


def test_table_round_trip(tmp_path):
    entries = [Entry("0001", "train", "train000"), Entry("0505", "test", "test000")]
    write_table(
        tmp_path / "scans.tsv",
        ["scan", "split", "chunk"],
        [(e.scan, e.split, e.chunk) for e in entries],
    )
    assert read_entries(tmp_path / "scans.tsv") == entries
    (tmp_path / "bad.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match=r"bad\.tsv"):
        read_entries(tmp_path / "bad.tsv")
