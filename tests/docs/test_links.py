"""Every link inside the documentation leads to a file or a heading, and every page can be
reached."""

import importlib.util
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from doc_pages import PAGES, ROOT, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]*`")


def slug(heading: str) -> str:
    """A heading's anchor, as Python-Markdown's toc and GitHub make it from words, digits, `-` and
    `_`."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def anchors(page: Path) -> set[str]:
    return {slug(found[1]) for found in re.finditer(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)}


def broken(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere."""
    wrong = []
    for link in LINK.findall(CODE.sub("", prose(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page):
    assert broken(page) == []


def test_a_wrong_link_is_found(tmp_path):
    (tmp_path / "b.md").write_text("# Some `code`, and words\n")
    (tmp_path / "a.md").write_text(
        "[x](b.md) [x](b.md#some-code-and-words) [x](#here)\n"
        "# Here\n"
        "[x](c.md) [x](b.md#no) [x](#there)\n"
        "```\n"
        "[x](d.md)\n"
        "```\n"
        "`[x](e.md)` <https://example.org> [x](https://example.org)\n"
    )
    assert broken(tmp_path / "a.md") == ["c.md", "b.md#no", "#there"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_that_are_named_exist(page):
    named = set(re.findall(r"\bdocs/[\w/-]+\.md\b", page.read_text()))
    assert {n for n in named if not (ROOT / n).exists()} == set()


def test_pages_of_the_site_link_inside_it():
    """mkdocs copies docs/ only."""
    docs = ROOT / "docs"
    for page in (p for p in PAGES if p.is_relative_to(docs)):
        for link in re.findall(r"\]\((\.\./[^)#]*)", prose(page)):
            assert (page.parent / link).resolve().is_relative_to(docs), (page.name, link)


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python functions."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("nav", ROOT / "docs/hooks/nav.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_menu(hook):
    config = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)
    config["docs_dir"] = str(ROOT / config["docs_dir"])
    menu = list(hook.pages(hook.on_config(config)["nav"]))
    assert sorted(menu) == sorted(
        str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")
    )


def test_a_page_that_is_not_named_stands_at_the_end(hook, tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("a.md", "b.md", "c.md", "d/e.md"):
        (tmp_path / name).touch()
    config = hook.on_config(
        {"nav": ["b.md", {"Part": [{"Title": "a.md"}]}], "docs_dir": str(tmp_path)}
    )
    assert config["nav"] == ["b.md", {"Part": [{"Title": "a.md"}]}, {"More": ["c.md", "d/e.md"]}]


def test_pictures_are_small():
    new = [p for p in (ROOT / "docs/images").iterdir() if p.name != "demo.png"]
    assert new and all(p.stat().st_size < 150_000 for p in new)
