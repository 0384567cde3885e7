"""Names, reasons and settings of a run are text on its page and nothing else: the page has the same
elements, attributes and code as that of a run with harmless ones. Built by the rule's script, read
as a browser would."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from checkouts import ROOT

from hgm.scans.catalogue import read_table, write_table

# a folder's name
SUBJECT = (
    'aa"onload="pwn()" x=\'y\'`${pwn()}` <img src=pwn onerror=pwn()> &lt; \\ {{ pwn() }} {% pwn %}'
)
TEXT = (
    "</script><script>pwn()</script> --> ]]> </style></title><svg onload=pwn()> "
    f"javascript:pwn() {SUBJECT}"
)
TABLES = ("nvs", "geometry", "ablation", "smplx", "backview", "paper_vs_ours")
LITERAL = re.compile(r'"(\\.|[^"\\])*"')


class Skeleton(HTMLParser):
    """What a browser would make of a page but for its text: elements, names of attributes, code
    without its texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Any] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.code = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, sorted(name for name, _ in attrs)))
        self.links += [
            value or ""
            for name, value in attrs
            if name in ("href", "src", "action", "srcdoc", "style", "poster", "data")
        ]
        self.code = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")
        self.code = False

    def handle_data(self, data: str) -> None:
        if self.code:
            self.found.append(LITERAL.sub('""', data))
        else:
            self.text.append(data)


def build(finished: tuple[Path, dict[str, Any]], folder: Path, subject: str, text: str) -> Path:
    """The report of the run with other texts; returns its folder."""
    results = folder / "results/fixture"
    shutil.copytree(finished[0], results, ignore=shutil.ignore_patterns("report", "tables"))
    for place in [*results.glob("subjects/*/0505")]:
        place.rename(place.with_name(subject))
        metrics = json.loads((place.with_name(subject) / "metrics.json").read_text())
        (place.with_name(subject) / "metrics.json").write_text(
            json.dumps({**metrics, "subject": subject})
        )
    other = results / "baselines" / subject / subject
    other.mkdir(parents=True)
    shutil.copy(results / "subjects/full" / subject / "metrics.json", other)
    rows = [
        {**row, "scan": row["scan"].replace("0505", subject)}
        for row in read_table(results / "scans.tsv")
    ]
    write_table(
        results / "scans.tsv", ["scan", "split", "chunk"], [list(row.values()) for row in rows]
    )
    write_table(results / "rejected.tsv", ["scan", "reason"], [(subject, text)])
    config = json.loads(json.dumps(finished[1]))
    config["run"] = text
    config["back_view"]["prompt"] = text
    config["evaluate"]["baselines"] = {subject: text}
    record = json.loads((results / "run.json").read_text())
    record.update(
        config=config,
        config_key=text,
        python=text,
        machine={"system": text, "processor": text},
        git={"commit": text, "clean": True},
        versions={"torch": text, "numpy": None},
    )
    (results / "run.json").write_text(json.dumps(record))
    job = {
        "rule": "report",
        "input": {
            "paper": str(ROOT / "resources/paper/hgm.yaml"),
            "run": str(results / "run.json"),
        },
        "output": {
            "page": str(results / "report/index.html"),
            "tables": [str(results / f"tables/{name}.csv") for name in TABLES],
        },
        "params": {"config": config, "code": "x"},
        "log": str(results / "logs/report.log"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, str(ROOT / "scripts/hgm/report.py"), str(folder / "job.json")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return results / "report"


@pytest.fixture(scope="module")
def reports(finished, tmp_path_factory) -> tuple[Path, Path]:
    """The pages of a run with harmless and with hostile texts."""
    return (
        build(finished, tmp_path_factory.mktemp("plain"), "aab", "harmless"),
        build(finished, tmp_path_factory.mktemp("hostile"), SUBJECT, TEXT),
    )


def pages(report: Path) -> list[Path]:
    return sorted(path for path in report.rglob("*") if path.suffix in (".html", ".svg"))


def test_hostile_texts_make_no_element_attribute_or_code(reports):
    plain, hostile = reports
    assert len(pages(plain)) == len(pages(hostile)) >= 1
    for one, other in zip(pages(plain), pages(hostile), strict=True):
        harmless = Skeleton(one.read_text())
        found = Skeleton(other.read_text())
        assert found.found == harmless.found, other.name
        assert not any(
            "pwn" in link and not link.startswith(("assets/", "#")) for link in found.links
        )


def test_code_is_the_same_but_for_its_texts(reports):
    scripts = [sorted(report.rglob("*.js")) for report in reports]
    assert len(scripts[0]) == len(scripts[1])
    for one, other in zip(*scripts, strict=True):
        assert LITERAL.sub('""', one.read_text()) == LITERAL.sub('""', other.read_text()), (
            other.name
        )


def test_the_texts_can_be_read(reports):
    shown = "".join(Skeleton((reports[1] / "index.html").read_text()).text)
    assert SUBJECT in shown and "</script><script>pwn()</script>" in shown


def test_nothing_lies_outside_of_the_reports_folder(reports):
    plain, hostile = (
        {path.relative_to(report.parent).parts[0] for path in report.parent.rglob("*")}
        for report in reports
    )
    assert plain == hostile
