"""Files of the project page: the checks that run there are those of `make`, and ask for nothing
secret."""

import re

import pytest
import yaml
from doc_pages import ROOT

FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def test_the_tests_run_as_at_home():
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    flow = yaml.safe_load(text)
    steps = [step for job in flow["jobs"].values() for step in job["steps"]]
    assert {"make test", "make docs"} == {s["run"] for s in steps if "run" in s and "name" not in s}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", s["uses"]) for s in steps if "uses" in s)
    assert {s["with"]["python-version"] for s in steps if "setup-python" in s.get("uses", "")} == {
        "3.11"
    }
    assert "secrets" not in text and flow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", [p for p in FORMS if p.name != "config.yml"], ids=lambda p: p.name)
def test_a_form_asks_each_thing_once(path):
    form = yaml.safe_load(path.read_text())
    fields = [part["id"] for part in form["body"]]
    assert form["name"] and form["description"] and len(set(fields)) == len(fields)


def test_hooks_are_the_lint():
    hooks = [
        h
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for h in repo["hooks"]
    ]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert [h["id"] for h in hooks] == ["ruff", "ruff-format", "mypy", "snakefmt"]
    commands = [
        h["entry"].removeprefix(".venv/bin/python ").removesuffix(" --force-exclude") for h in hooks
    ]
    assert not [c for c in commands if f"$(BIN)/python {c}" not in lint]
