"""The drawing in docs/architecture.md is the code's: each import has a way along its arrows, each
arrow is an import."""

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from doc_pages import ROOT, blocks

from hgm.systems import SYSTEMS

Graph = Mapping[str, set[str]]


def rooms(package: Path) -> list[str]:
    """Modules and folders of a package; each system is a room of its own, beside `systems`, which
    only finds them."""
    names = {
        p.name.removesuffix(".py")
        for p in package.iterdir()
        if p.suffix == ".py" or (p / "__init__.py").exists()
    } - {"__init__"}
    systems = package / "systems"
    return sorted(names | {p.name for p in systems.glob("*") if (p / "__init__.py").exists()})


def room(parts: Sequence[str], known: Collection[str]) -> str | None:
    """Which room a module lies in, by the parts of its name below the package."""
    if parts[:1] == ["systems"] and parts[1:2] and parts[1] in known:
        return parts[1]
    return parts[0] if parts and parts[0] in known else None


def imports(package: Path) -> dict[str, set[str]]:
    """Room -> the others that it imports, anywhere in it."""
    known = rooms(package)
    found: dict[str, set[str]] = {name: set() for name in known}
    for file in package.rglob("*.py"):
        here = room(list(file.relative_to(package).with_suffix("").parts), known)
        if here is None:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno}: a relative import"
                whole = node.module in (package.name, f"{package.name}.systems")
                modules = (
                    [f"{node.module}.{a.name}" for a in node.names] if whole else [node.module]
                )
            else:
                continue
            parts = [m.split(".") for m in modules]
            there = {room(p[1:], known) for p in parts if p[0] == package.name}
            found[here] |= {name for name in there if name is not None} - {here}
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
    (package / "systems/first").mkdir(parents=True)
    modules = ("__init__", "one", "two", "three", "low/__init__", "systems/__init__")
    for name in (*modules, "systems/first/__init__", "systems/first/part"):
        (package / f"{name}.py").touch()
    (package / "systems/first/part.py").write_text("from pack.systems import part\n")
    (package / "two.py").write_text("from pack.systems import first\n")
    (package / "low/deep.py").write_text(
        "def f():\n    from pack import one, version\n    import pack.two as t\n"
    )
    (package / "three.py").write_text("from pack.low.deep import f\nimport os\n")
    assert imports(package) == {
        "one": set(),
        "two": {"first"},
        "three": {"low"},
        "low": {"one", "two"},
        "systems": set(),
        "first": {"systems"},
    }


def namings(text: str, systems: Collection[str], own: str | None) -> list[str]:
    """Where a file names a system that it may not know: any system for a file of the shared rooms
    (`own` None), any other for a file of a system. A name is an import, a module or path in a
    string, or a string that is nothing else; `hgm` alone is also the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        modules: list[str] = []
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            modules = [a.name for a in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            modules = [node.value.replace("/", ".")]
        for module in modules:
            for name in set(systems) - {own}:
                whole = module == name != "hgm"
                if whole or re.search(rf"\bsystems\.{name}\b", module):
                    found.append(f"{name} in line {node.lineno}")
    return sorted(found)


def test_nothing_shared_names_a_system_and_no_system_another():
    systems = sorted(
        p.name for p in (ROOT / "hgm/systems").iterdir() if (p / "__init__.py").exists()
    )
    assert systems == sorted(SYSTEMS)
    for file in (ROOT / "hgm").rglob("*.py"):
        parts = file.relative_to(ROOT / "hgm").parts
        if parts != ("systems", "__init__.py"):
            own = parts[1] if parts[0] == "systems" else None
            assert namings(file.read_text(), systems, own) == [], file


@pytest.mark.parametrize(
    ("text", "own", "count"),
    [
        ("from hgm.systems.hgm.plan import Plan", None, 1),
        ("from hgm.systems import hgm", None, 1),
        ("import hgm.systems.other.plan", None, 1),
        ("from hgm.systems import part", None, 0),
        ("path = 'hgm/systems/other/plan.py'", None, 1),
        ("part('other', 'plan')", None, 1),
        ("cache = folder / 'hgm'", None, 0),
        ("from hgm.systems.hgm.plan import Plan", "hgm", 0),
        ("from hgm.systems.hgm.plan import Plan", "other", 1),
        ("from hgm.systems.other.plan import Plan", "hgm", 1),
    ],
)
def test_a_name_is_found(text, own, count):
    assert len(namings(text, ("hgm", "other"), own)) == count
