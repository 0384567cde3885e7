"""The drawing in docs/architecture.md is the code's: each import has a way along its arrows, each
arrow is an import."""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from doc_pages import ROOT, blocks

Graph = Mapping[str, set[str]]


def imports(package: Path) -> dict[str, set[str]]:
    """Top-level module -> the others of the package that it imports, anywhere in it."""
    names = {
        p.name.removesuffix(".py")
        for p in package.iterdir()
        if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    found: dict[str, set[str]] = {name: set() for name in names - {"__init__"}}
    for file in package.rglob("*.py"):
        here = file.relative_to(package).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno}: a relative import"
                modules = (
                    [f"{node.module}.{a.name}" for a in node.names]
                    if node.module == package.name
                    else [node.module]
                )
            else:
                continue
            parts = [m.split(".") for m in modules]
            found[here] |= {
                p[1] for p in parts if p[0] == package.name and len(p) > 1 and p[1] in names
            } - {here}
    return found


def drawing() -> tuple[set[str], Graph]:
    """Boxes and arrows of the one drawing."""
    text = next(b.text for b in blocks(ROOT / "docs/architecture.md") if b.language == "mermaid")
    boxes = set(re.findall(r"^ +([a-z_]+)$", text, re.MULTILINE)) - {"end"}
    arrows: dict[str, set[str]] = defaultdict(set)
    for a, b in re.findall(r"^ *([a-z_]+) --> ([a-z_]+)$", text, re.MULTILINE):
        assert b not in arrows[a], f"{a} --> {b} is drawn twice"
        arrows[a].add(b)
    assert text.count("-->") == sum(map(len, arrows.values())), "an arrow that is not one a line"
    return boxes, arrows


def reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    ahead = set(graph.get(start, ()))
    while ahead:
        seen |= ahead
        ahead = {b for a in ahead for b in graph.get(a, ())} - seen
    return seen


def faults(boxes: set[str], arrows: Graph, code: Graph) -> list[str]:
    """Differences of the drawing and the code, each as what to do."""
    ends = {b for targets in arrows.values() for b in targets} | set(arrows)
    wrong = [f"draw a box for {n}" for n in sorted(set(code) - boxes)]
    wrong += [f"remove {n}: there is no such module" for n in sorted((boxes | ends) - set(code))]
    wrong += [
        f"{a} imports {b} against the drawing: undo it, or draw {a} --> {b}"
        for a in sorted(code)
        for b in sorted(code[a] - reached(arrows, a))
    ]
    wrong += [
        f"remove {a} --> {b}: no such import"
        for a in sorted(arrows)
        for b in sorted(arrows[a] - code.get(a, set()))
    ]
    for name, graph in (("code", code), ("drawing", arrows)):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            wrong.append(f"a circle in the {name}: {' -> '.join(error.args[1])}")
    return wrong


def test_the_drawing_is_the_code():
    assert faults(*drawing(), imports(ROOT / "hgm")) == []


def test_no_files_import_each_other():
    """Not even for types only; a package's own face may name what is in it."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in (ROOT / "hgm").rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        if not name.endswith("__init__"):
            nodes = [
                node
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.ImportFrom)
            ]
            named = {
                m
                for node in nodes
                for m in (str(node.module), *(f"{node.module}.{a.name}" for a in node.names))
            }
            graph[name] = named & set(files)
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()


def test_no_arrow_follows_from_others():
    _, arrows = drawing()
    for a, targets in arrows.items():
        assert not [
            f"{a} --> {b}" for b in targets if any(b in reached(arrows, c) for c in targets - {b})
        ]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": set(), "d": set()}, ["draw a box for d"]),
        (
            {"a": {"b"}, "b": {"c"}, "c": {"a"}},
            ["c imports a against the drawing: undo it, or draw c --> a", "a circle in the code"],
        ),
        ({"a": {"b"}, "b": set(), "c": set()}, ["remove b --> c: no such import"]),
    ],
)
def test_a_difference_is_found(code, fault):
    found = faults({"a", "b", "c"}, {"a": {"b"}, "b": {"c"}}, code)
    assert len(found) == len(fault) and all(
        f.startswith(begin) for f, begin in zip(found, fault, strict=True)
    )


def test_imports_of_all_kinds_are_seen(tmp_path):
    package = tmp_path / "pack"
    (package / "low").mkdir(parents=True)
    for name in ("__init__", "one", "two", "three", "low/__init__"):
        (package / f"{name}.py").touch()
    (package / "low/deep.py").write_text(
        "def f():\n    from pack import one, version\n    import pack.two as t\n"
    )
    (package / "three.py").write_text("from pack.low.deep import f\nimport os\n")
    assert imports(package) == {"one": set(), "two": set(), "three": {"low"}, "low": {"one", "two"}}
