"""A drawing of the rules that made a run and of what they handed on, from the records that the jobs
left beside their logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import escape

STEP = 112
LINE = 62
WIDTH = 92
HEIGHT = 40  # from column to column, from row to row; a rule's box


@dataclass(frozen=True)
class Graph:
    """jobs: rule -> number of its jobs. arrows: pairs of rules, without those that follow from
    others."""

    jobs: dict[str, int]
    arrows: list[tuple[str, str]]


def _files(named: Mapping[str, Any]) -> Iterator[str]:
    for value in named.values():
        yield from [value] if isinstance(value, str) else map(str, value)


def read_graph(logs: Path) -> Graph | None:
    """The rules below `logs`; None where no job left a record."""
    return _graph(logs, lambda path, rule: rule)


def stages(logs: Path) -> list[str]:
    """The names under which the jobs of a run keep their logs and benchmarks, `coarse_no_body` or
    `render`, in the order of the data."""
    found = _graph(logs, lambda path, rule: path.parts[0].removesuffix(".job.json"))
    if found is None:
        return []
    level = _levels(found)
    return sorted(found.jobs, key=lambda name: (level[name], name))


def _graph(logs: Path, called: Callable[[Path, str], str]) -> Graph | None:
    """What the records hold of jobs that are put together by a name from the record's path below
    `logs` and the rule."""
    jobs: dict[str, int] = {}
    makers: dict[str, str] = {}
    needs: dict[str, set[str]] = {}
    for path in sorted(logs.rglob("*.job.json")):
        try:
            job = json.loads(path.read_text())
            rule = called(path.relative_to(logs), str(job["rule"]))
            inputs = set(_files(job["input"]))
            outputs = set(_files(job["output"]))
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            continue
        jobs[rule] = jobs.get(rule, 0) + 1
        needs.setdefault(rule, set()).update(inputs)
        makers.update(dict.fromkeys(outputs, rule))
    if not jobs:
        return None
    before = {
        rule: {makers[f] for f in files if f in makers} - {rule} for rule, files in needs.items()
    }
    return Graph(
        jobs,
        sorted(
            (a, b) for b, sources in before.items() for a in sources if not _follows(a, b, before)
        ),
    )


def _follows(a: str, b: str, before: Mapping[str, set[str]]) -> bool:
    """Whether `a` comes before `b` by way of another rule as well."""
    todo = [c for c in before[b] if c != a]
    seen = {b}
    while todo:
        rule = todo.pop()
        if rule == a:
            return True
        if rule not in seen:
            seen.add(rule)
            todo += before.get(rule, ())
    return False


def _levels(graph: Graph) -> dict[str, int]:
    """Of each rule the length of the longest way to it."""
    level = dict.fromkeys(graph.jobs, 0)
    # as often as the longest way may be, and no more where the records hold a circle
    for _ in graph.jobs:
        for a, b in graph.arrows:
            level[b] = max(level[b], min(level[a] + 1, len(graph.jobs)))
    return level


def columns(graph: Graph) -> tuple[list[list[str]], list[list[str]]]:
    """Rules by column, each right of all that it needs, and the way of every arrow through the
    columns.

    A way is its first rule, a place of its own in each column between, and its last rule. Within a
    column whoever has neighbors near the top stands near the top (Sugiyama, Tagawa and Toda,
    1981).
    """
    level = _levels(graph)
    for rule in graph.jobs:  # a rule without needs stands right before what first uses it
        uses = [level[b] for a, b in graph.arrows if a == rule]
        if uses and all(b != rule for _, b in graph.arrows):
            level[rule] = max(0, min(uses) - 1)
    table: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for rule in sorted(graph.jobs):
        table[level[rule]].append(rule)
    ways: list[list[str]] = []
    for a, b in graph.arrows:
        places = [f"\0{a}\0{b}\0{i}" for i in range(level[a] + 1, level[b])]
        for i, place in enumerate(places):
            table[level[a] + 1 + i].append(place)
        ways.append([a, *places, b])
    beside: dict[str, list[str]] = {}
    for way in ways:
        for x, y in pairwise(way):
            beside.setdefault(x, []).append(y)
            beside.setdefault(y, []).append(x)
    for turn in range(12):
        row = _rows(table)
        order = range(len(table)) if turn % 2 == 0 else range(len(table) - 1, -1, -1)
        for i in order:
            table[i].sort(key=lambda x: (_mean([row[y] for y in beside.get(x, [x])]), x))
            row |= _rows([table[i]])
    return table, ways


def _rows(table: list[list[str]]) -> dict[str, float]:
    return {name: i - (len(column) - 1) / 2 for column in table for i, name in enumerate(column)}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def workflow_svg(graph: Graph) -> str:
    """The drawing as an inline `<svg>` in the page's colors, from left to right."""
    table, ways = columns(graph)
    row = _rows(table)
    high = max(map(len, table))
    place = {
        name: (i * STEP + 4, (row[name] + (high - 1) / 2) * LINE + 4)
        for i, column in enumerate(table)
        for name in column
    }
    width = (len(table) - 1) * STEP + WIDTH + 8
    height = (high - 1) * LINE + HEIGHT + 8
    told = "; ".join(f"{a} to {b}" for a, b in graph.arrows)
    parts = [
        f'<svg role="img" class="workflow" viewBox="0 0 {width} {height:g}" '
        f'aria-label="{escape(f"Rules of the run: {told}")}">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    for way in ways:
        points = [place[name] for name in way]
        x = points[0][0] + WIDTH
        y = points[0][1] + HEIGHT / 2
        path = [f"M{x:g} {y:g}"]
        for name, (left, top) in zip(way[1:], points[1:], strict=True):
            middle = (x + left) / 2
            level = top + HEIGHT / 2
            path.append(f"C{middle:g} {y:g} {middle:g} {level:g} {left:g} {level:g}")
            x = left
            y = level
            if name not in graph.jobs:
                x += WIDTH
                path.append(f"H{x:g}")
        parts.append(f'<path class="arrow" marker-end="url(#tip)" d="{"".join(path)}"/>')
    for rule, count in sorted(graph.jobs.items()):
        x, y = place[rule]
        parts.append(f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="9"/>')
        parts.append(f'<text x="{x + WIDTH / 2:g}" y="{y + 18:g}">{escape(rule)}</text>')
        parts.append(
            f'<text class="count" x="{x + WIDTH / 2:g}" y="{y + 32:g}">{count} '
            f"{'job' if count == 1 else 'jobs'}</text>"
        )
    return "".join([*parts, "</svg>"])
