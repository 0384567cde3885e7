"""The texts generated from a system's settings: the comments of its demo, its JSON schema and its
page docs/config/<system>.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from hgm.core.settings import Section
from hgm.errors import InputError
from hgm.systems import DEFAULT, part

# the part of a description that says where the default is from: (paper), (release), (paper eq. 6)
WHOSE = re.compile(r"\((paper|release)( [^():;]*)?\)")

LONGEST = 160  # characters of a default that a comment of the demo repeats


def to_yaml(system: str, demo: Mapping[str, Any]) -> str:
    """A system's demo as YAML, with the values of `demo`: keys in the order of the settings, a
    comment above each section and beside each key. A value that equals its default is left out.

    Raises InputError for a key that the system does not have.
    """
    lines = [
        f"# The demo of {system}: what differs from the paper's values, which hold for all that is "
        f"left out (docs/config/{system}.md).",
        "# Change the values; `make config` writes the comments, from the settings.",
    ]
    if system != DEFAULT:
        lines += ["", f"system: {system}"]
    config = _config(system)
    known = {name for name, _, _ in _fields(config)}
    if unknown := sorted(demo.keys() - known):
        raise InputError(f"{unknown[0]}: unknown key in the demo of {system}")
    for name, default, text in _fields(config):
        if name == "system" or name not in demo:
            continue
        if not isinstance(default, Section):
            lines += _line("", name, demo[name], default, text)
            continue
        inner = [
            line
            for key, value, remark in _fields(type(default))
            if key in demo[name]
            for line in _line("  ", key, demo[name][key], value, remark)
        ]
        if unknown := sorted(demo[name].keys() - type(default).model_fields):
            raise InputError(f"{name}.{unknown[0]}: unknown key in the demo of {system}")
        if inner:
            lines += ["", f"# {text}", f"{name}:", *inner]
    return "\n".join(lines) + "\n"


def to_schema(system: str) -> dict[str, Any]:
    """JSON schema of a system's configuration, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_config(system).model_json_schema(),
    }


def to_markdown(system: str, demo: Mapping[str, Any]) -> str:
    """docs/config/<system>.md: every key with its default, its value in the demo where that
    differs, and what it means."""
    lines = [
        f"# Configuration of {system}",
        "",
        "Generated from the settings (`make config`). A default is the paper's value where the "
        "meaning says (paper), that of the authors' code where it says (release).",
        "A file that names its system (`system: "
        f"{system}`) gets these defaults for the keys that it leaves out; a file that names no "
        "system gets the values of the demo, `config.yaml`.",
        "",
        *_table_head(),
    ]
    sections = []
    for name, default, text in _fields(_config(system)):
        if isinstance(default, Section):
            sections.append((name, default, text))
        else:
            lines.append(_row(name, default, demo.get(name, default), text))
    for name, default, text in sections:
        lines += ["", f"## {name}", "", f"{text[0].upper()}{text[1:]}.", "", *_table_head()]
        lines += [
            _row(f"{name}.{key}", value, demo.get(name, {}).get(key, value), remark)
            for key, value, remark in _fields(type(default))
        ]
    return "\n".join(lines) + "\n"


def _config(system: str) -> Any:
    return part(system, "settings").Config


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any, str]]:
    """Name, default and description of every field."""
    for name, field in model.model_fields.items():
        yield name, field.default, field.description or ""


def _line(indent: str, key: str, value: Any, default: Any, text: str) -> list[str]:
    """The line of one key of a demo, with the default in its comment; no line where the value is
    the default."""
    if value == plain(default):
        return []
    if len(_scalar(default)) > LONGEST:
        return [f"{indent}{key}: {_scalar(value)}  # {text}; not the default"]
    said, count = WHOSE.subn(rf"(\g<1>\g<2>: {_scalar(default)})", text, count=1)
    remark = said if count else f"{text}; default: {_scalar(default)}"
    return [f"{indent}{key}: {_scalar(value)}  # {remark}"]


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(
        plain(value), default_flow_style=True, sort_keys=False, width=10000
    ).strip()
    return text.removesuffix("...").strip()


def plain(value: Any) -> Any:
    """A value with its sections as mappings."""
    return to_jsonable_python(value)


def _table_head() -> list[str]:
    return ["| key | default | demo | meaning |", "|---|---|---|---|"]


def _row(key: str, default: Any, demo: Any, text: str) -> str:
    shown = "" if demo == plain(default) else f"`{_scalar(demo)}`"
    return f"| `{key}` | `{_scalar(default)}` | {shown} | {text} |"
