"""The page: complete, offline, escaped, equal for equal runs, and whole where the run has gaps."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hgm.errors import InputError
from hgm.report.page import PAPER, build_report
from hgm.report.run import Run
from hgm.report.tables import write_tables

from .conftest import NASTY

VOID = {"meta", "link", "img", "br", "input", "source"}


class Page(HTMLParser):
    """Checks that tags nest and collects links, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
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
        for name, value in attrs:
            if name in ("src", "href", "data-script", "poster") and value:
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


@pytest.fixture(scope="module")
def built(finished: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page, str]:
    run, config = finished
    write_tables(Run(run, config), PAPER)
    path = build_report(run, tmp_path_factory.mktemp("report"), config)
    text = path.read_text()
    return path, Page(text), text


def test_every_link_holds_and_nothing_is_fetched(built: tuple[Path, Page, str]) -> None:
    path, page, text = built
    assert not re.search(r"https?://|//cdn|@import|fetch\(", text)
    files = {x for x in page.links if not x.startswith(("#", "data:"))}
    assert files and all((path.parent / f).is_file() and not f.startswith(("/", "..")) for f in files)
    assert {p.relative_to(path.parent).as_posix() for p in path.parent.rglob("*") if p.is_file()} == files | {"index.html"}
    assert len(page.ids) == len(set(page.ids))
    assert {x[1:] for x in page.links if x.startswith("#") and len(x) > 1} <= set(page.ids)
    for data in path.parent.rglob("*.js"):
        assert data.read_text().startswith("(window.hgmSplats=")


def test_names_are_escaped(built: tuple[Path, Page, str]) -> None:
    _, page, text = built
    assert "<b>&" not in text and NASTY in "".join(page.text)
    assert "<img> in the folder" not in text and any("no texture <img>" in t for t in page.text)


def test_stand_ins_are_announced_before_anything_else(built: tuple[Path, Page, str]) -> None:
    _, page, text = built
    assert text.index('class="banner"') < text.index("<header>")
    words = " ".join(page.text)
    assert "Stand-in humans, not THuman2.0" in words and "not comparable with the paper" in words
    assert ">pass<" not in text and ">fail<" not in text and "other data set" in words


def test_every_stage_is_shown(built: tuple[Path, Page, str]) -> None:
    path, page, _ = built
    words = " ".join(page.text)
    for part in ("Refined by ControlNet", "Turntable", "Mesh", "Step 700", "Pairs for the ControlNet", "HGM, full", "Table 4",
                 "Set aside", "0123abc", "Novel views", "Surface", "5 min 10 s", "without SMPL-X branch", "photo painted"):
        assert part in words, part
    assert page.tags.count("svg") == 5 + 5 + 1 + 1 and page.tags.count("video") == 3 and page.tags.count("canvas") == 3
    assert "the first 4 were used" in words  # the fixture's images have room for four scales
    assert "Not available: LPIPS (standard)" in words and "LPIPS and KID are not available" in words
    assert len(list(path.parent.rglob("*.mp4"))) == 3
    assert "nan" not in words.lower().split() and "None" not in words


def test_equal_runs_make_equal_pages(
    built: tuple[Path, Page, str], finished: tuple[Path, dict[str, Any]], tmp_path: Path,
) -> None:
    path, _, _ = built
    again = build_report(finished[0], tmp_path, finished[1])
    first = {p.relative_to(path.parent): p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
    second = {p.relative_to(again.parent): p.read_bytes() for p in again.parent.rglob("*") if p.is_file()}
    assert first == second


def test_an_empty_run_is_a_page_of_gaps(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = build_report(tmp_path / "run", tmp_path / "report", {}).read_text()
    page = Page(text)
    assert " ".join(page.text).count("not available") >= 8 and "Stand-in humans" in text  # unmarked data are not trusted
    with pytest.raises(InputError, match="results folder"):
        build_report(tmp_path / "nowhere", tmp_path / "report", {})


def test_gaps_and_broken_files_do_not_stop_it(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run, config = finished
    copy = tmp_path / "run"
    shutil.copytree(run / "subjects" / "full", copy / "subjects" / "full")
    subject = copy / "subjects" / "full" / "0505"
    (subject / "turntable.mp4").unlink()
    (subject / "novel_03.png").unlink()
    (subject / "back.png").write_bytes(b"no picture")
    (subject / "gaussians.ply").write_bytes(b"no points")
    (subject / "metrics.json").write_text("{")
    (copy / "coarse").mkdir()
    (copy / "coarse" / "history.tsv").write_text("step\tloss\n1\tnan\n2\t0.5\n")
    (copy / "benchmarks").mkdir()
    (copy / "benchmarks" / "coarse.jsonl").write_text('{"s": "NA"}\nnot json\n')
    (copy / "run.json").write_text("[]")
    page = Page(build_report(copy, tmp_path / "report", config).read_text())
    words = " ".join(page.text)
    assert "0505" in words and "not available" in words and page.tags.count("video") == 2 and page.tags.count("canvas") == 2
