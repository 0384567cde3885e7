"""The pages: complete, offline, escaped, equal for equal runs, and whole where the run has gaps."""

import logging
import os
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hgm.errors import InputError
from hgm.report.bundle import paper_of
from hgm.systems.hgm.report.page import build_report
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import write_tables

from .conftest import NASTY

PAPER = paper_of("hgm")

VOID = {"meta", "link", "img", "br", "input", "source"}


class Page(HTMLParser):
    """Checks that tags nest and collects links, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        for name, value in attrs:
            if (
                name in ("src", "href", "data-bundle", "data-gaussians", "data-mesh", "poster")
                and value
            ):
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


Built = dict[str, Page]  # path below the report -> page


def pages(out: Path) -> Built:
    return {p.relative_to(out).as_posix(): Page(p.read_text()) for p in sorted(out.rglob("*.html"))}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something in the place of the viewer's program, which these tests do not run."""
    path = tmp_path_factory.mktemp("program") / "viewer.js"
    path.write_text("window.hgmViewer = () => {};")
    return path


@pytest.fixture(scope="module")
def built(
    finished: tuple[Path, dict[str, Any]], program: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Built]:
    run, config = finished
    write_tables(Run(run, config), PAPER)
    out = build_report(run, tmp_path_factory.mktemp("report"), config, viewer=program).parent
    return out, pages(out)


def test_every_link_holds_and_nothing_is_fetched(built: tuple[Path, Built]) -> None:
    out, found = built
    assert set(found) == {"index.html", "people/0001.html", "people/0002.html", "people/0003.html"}
    reached = set()
    for name, page in found.items():
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            target, _, place = link.partition("#")
            if link.startswith("data:"):
                continue
            path = Path(os.path.normpath(Path(name).parent / target)) if target else Path(name)
            assert (out / path).is_file(), link
            assert not place or place in found[path.as_posix()].ids, link
            reached.add(path.as_posix())
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == reached
    for path in out.rglob("*.*"):
        if path.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?://|//cdn|@import|fetch\(", path.read_text()), path


def test_names_are_escaped(built: tuple[Path, Built]) -> None:
    out, found = built
    for name in ("index.html", "people/0003.html"):
        assert found[name].tags.count("script") == 1 and "b" not in found[name].open
        assert (
            NASTY in "".join(found[name].text) and "<script>alert" not in (out / name).read_text()
        )
        assert any(
            value.startswith("Photo of " + NASTY)
            for key, value in found[name].attributes
            if key == "alt"
        )
    index = found["index.html"]
    assert "<img> in the folder" not in (out / "index.html").read_text() and any(
        "no texture <img>" in t for t in index.text
    )


def test_stand_ins_are_announced_before_anything_else(built: tuple[Path, Built]) -> None:
    out, found = built
    for name, page in found.items():
        text = (out / name).read_text()
        words = " ".join(page.text)
        assert text.index('class="banner"') < text.index("<h1>")
        assert (
            "Stand-in humans, not THuman2.0" in words and "not comparable with the paper" in words
        )
    text = (out / "index.html").read_text()
    assert ">pass<" not in text and ">fail<" not in text and "other data set" in text


def test_every_stage_is_shown(built: tuple[Path, Built]) -> None:
    out, found = built
    index = found["index.html"]
    person = found["people/0001.html"]
    words = " ".join(index.text)
    for part in (
        "Step 700",
        "Pairs for the ControlNet",
        "HGM, full",
        "Table 4",
        "Set aside",
        "0123abc",
        "Novel views",
        "Surface",
        "5 min 10 s",
        "without SMPL-X branch",
        "photo painted",
    ):
        assert part in words, part
    assert index.tags.count("svg") == 5 + 5 + 1 + 1 + 1
    assert "the first 4 were used" in words  # the fixture's images have room for four scales
    assert (
        "Speed, paper and ours" in words
        and "101 frames/s at 192 px" in words
        and "300 frames/s" in words
    )
    assert "Not available: LPIPS (standard)" in words and "LPIPS and KID are not available" in words
    told = " ".join(person.text)
    for part in (
        "Refined by ControlNet",
        "Mesh",
        "Turntable",
        "Against the truth",
        "3,000 Gaussians",
        "1,280 triangles",
        "0506 ›",
    ):
        assert part in told, part
    ranges = [value for key, value in person.attributes if key == "type"].count("range")
    assert (
        ranges == 4
        and person.tags.count("video") == 1
        and sum(key == "data-mesh" for key, _ in person.attributes) == 1
    )
    assert len(list(out.rglob("*.mp4"))) == 3
    assert all(
        "nan" not in " ".join(p.text).lower().split() and "None" not in " ".join(p.text)
        for p in found.values()
    )


def test_every_picture_and_control_is_named(built: tuple[Path, Built]) -> None:
    for name, page in built[1].items():
        assert all(
            value.strip() for key, value in page.attributes if key in ("alt", "aria-label")
        ), name
        levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b <= a + 1 for a, b in pairwise(levels)), name
        assert page.tags.count("caption") == page.tags.count("table")
        assert page.tags.count("img") == [key for key, _ in page.attributes].count("loading")


def test_without_the_viewers_program_there_are_films(
    finished: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, config = finished
    with caplog.at_level(logging.WARNING):
        out = build_report(run, tmp_path, config, viewer=tmp_path / "nowhere.js").parent
    (line,) = caplog.messages
    assert "make viewer" in line and "\n" not in line
    page = Page((out / "people" / "0001.html").read_text())
    assert (
        page.tags.count("video") == 1
        and "button" not in page.tags
        and not any(k.startswith("data-") for k, _ in page.attributes)
    )
    assert "make viewer" in " ".join(page.text)
    assert len(list(out.rglob("*.js"))) == 1  # that of the page itself


def test_a_long_table_has_its_own_page(
    finished: tuple[Path, dict[str, Any]],
    program: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, config = finished
    monkeypatch.setattr("hgm.report.page.LONG", 3)
    out = build_report(run, tmp_path, config, viewer=program).parent
    index = Page((out / "index.html").read_text())
    tables = Page((out / "people" / "tables.html").read_text())
    assert "people/tables.html" in index.links and "All 4 rows" in " ".join(index.text)
    assert tables.text.count(NASTY) == 2 and tables.tags.count("table") >= 2


def test_equal_runs_make_equal_pages(
    built: tuple[Path, Built],
    finished: tuple[Path, dict[str, Any]],
    program: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "0099.html").write_text("of a person who is no longer in the run")
    again = build_report(finished[0], tmp_path, finished[1], viewer=program).parent
    first, second = (
        {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        for out in (built[0], again)
    )
    assert first == second


def test_an_empty_run_is_a_page_of_gaps(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = build_report(tmp_path / "run", tmp_path / "report", {}).read_text()
    page = Page(text)
    # unmarked data are not trusted
    assert " ".join(page.text).count("not available") >= 8 and "Stand-in humans" in text
    with pytest.raises(InputError, match="results folder"):
        build_report(tmp_path / "nowhere", tmp_path / "report", {})


def test_gaps_and_broken_files_do_not_stop_it(
    finished: tuple[Path, dict[str, Any]], program: Path, tmp_path: Path
) -> None:
    run, config = finished
    copy = tmp_path / "run"
    shutil.copytree(run / "subjects" / "full", copy / "subjects" / "full")
    subject = copy / "subjects" / "full" / "0505"
    (subject / "turntable.mp4").unlink()
    (subject / "novel_03.png").unlink()
    (subject / "back.png").write_bytes(b"no picture")
    (subject / "gaussians.ply").write_bytes(b"no points")
    (subject / "mesh.glb").write_bytes(b"glTF but broken")
    (subject / "metrics.json").write_text("{")
    (copy / "coarse").mkdir()
    (copy / "coarse" / "history.tsv").write_text("step\tloss\n1\tnan\n2\t0.5\n")
    (copy / "benchmarks").mkdir()
    (copy / "benchmarks" / "coarse.jsonl").write_text('{"s": "NA"}\nnot json\n')
    (copy / "logs").mkdir()
    (copy / "logs" / "coarse.job.json").write_text('{"rule": "coarse", "input": []}')
    (copy / "run.json").write_text("[]")
    found = pages(build_report(copy, tmp_path / "report", config, viewer=program).parent)
    index = found["index.html"]
    person = found["people/0001.html"]
    assert "0505" in " ".join(index.text) and "Records of the jobs: not available" in " ".join(
        index.text
    )
    assert (
        " ".join(person.text).count("not available") == 1 + 1 + 4 + 4
        and "video" not in person.tags
        and "button" not in person.tags
    )
    assert "data-gaussians" not in dict(person.attributes) and "data-gaussians" in dict(
        found["people/0002.html"].attributes
    )
