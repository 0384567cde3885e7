"""Python in the docs: it compiles, and what it imports from the package is there."""

import ast
import importlib

import pytest
from doc_pages import PAGES, Block, blocks

# the first is run as a whole, the second quotes it; the third is run as a whole elsewhere
RUN = "docs/new-stage.md", "CONTRIBUTING.md", "docs/new-system.md"
EXAMPLES = [
    b for page in PAGES for b in blocks(page) if b.language == "python" and b.page not in RUN
]


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_imports_what_exists(block: Block):
    named = [
        n
        for n in ast.walk(ast.parse(block.text))
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("hgm")
    ]
    assert named, f"{block}: an example of the package imports from it"
    for node in named:
        module = importlib.import_module(node.module)
        assert all(hasattr(module, a.name) for a in node.names), ast.unparse(node)


def test_contributing_quotes_the_worked_example():
    page, short = (next(p for p in PAGES if str(p).endswith(name)) for name in RUN[:2])
    whole = "\n".join(b.text for b in blocks(page))
    quotes = [b.text for b in blocks(short) if b.language == "python"]
    assert quotes and all(q in whole for q in quotes)
