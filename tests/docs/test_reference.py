"""docs/reference.md is what the parser makes; quoted messages are the code's."""

import argparse
import ast
import re

import pytest
from doc_pages import ROOT, prose

from hgm.cli import parser, reference


def test_the_reference_is_up_to_date():
    assert (ROOT / "docs/reference.md").read_text() == reference.to_markdown(parser()), (
        "run `make config`"
    )


def test_arguments_are_told_as_they_are_written():
    top = argparse.ArgumentParser()
    verb = top.add_subparsers().add_parser(
        "go", description="a | b <c>", epilog="example: hgm go x --out y"
    )
    verb.add_argument("files", nargs="+", metavar="FILE", help="some")
    verb.add_argument("--out", required=True, help="where")
    verb.add_argument("-k", "--kind", choices=["p", "q"], default="p", help="which")
    verb.add_argument("--fast", action="store_true", help="quick")
    lines = reference.to_markdown(top).splitlines()
    assert lines[lines.index("## go") :] == [
        "## go",
        "",
        "A \\| b &lt;c>.",
        "",
        "```",
        "hgm go x --out y",
        "```",
        "",
        "| argument | default | meaning |",
        "|---|---|---|",
        "| `FILE …` | required | some |",
        "| `--out OUT` | required | where |",
        "| `--kind {p,q}` | `p` | which |",
        "| `--fast` |  | quick |",
    ]


def written(node: ast.expr) -> str:
    """A string expression with … for what changes."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(written(v) for v in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return written(node.left) + written(node.right)
    return "…"


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """What the package, the scripts, the rules and the Makefile can say."""
    found = [
        line
        for name in ("Makefile", "rules/common.smk")
        for line in (ROOT / name).read_text().splitlines()
    ]
    for file in [*(ROOT / "hgm").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name | ast.Attribute)
                and node.args
            ):
                found.append(written(node.args[0]))
    return found


def quoted() -> list[str]:
    """First cells of the tables of messages."""
    rows = re.findall(r"^\| `(.+?)` \| ", prose(ROOT / "docs/troubleshooting.md"), re.MULTILINE)
    return [r for r in rows if not r.startswith("configuration: ")]


def said(quote: str, messages: list[str]) -> bool:
    """Whether the fixed parts of a quoted message stand in one of the messages, in their order."""
    parts = [re.escape(part) for part in quote.split("…") if part]
    pattern = re.compile(".*".join(parts))
    return any(pattern.search(m) for m in messages)


def test_quoted_messages_are_the_codes(messages):
    assert len(quoted()) > 40
    assert [q for q in quoted() if not said(q, messages)] == []
    assert not said("…: no such file; buy scan … again", messages)
