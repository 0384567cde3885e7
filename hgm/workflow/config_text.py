"""What is generated from the configuration's model: config.yaml, its JSON schema and
docs/config/hgm.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from hgm.core.settings import Section
from hgm.systems import part


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any, Any, str]]:
    for name, field in model.model_fields.items():
        default = (
            field.default
            if field.default is not PydanticUndefined
            else field.get_default(call_default_factory=True)
        )
        yield name, field, default, field.description or ""


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=200).strip()
    return text.removesuffix("...").strip()


def to_yaml(system: str) -> str:
    """The default configuration with a comment above every section and beside every key."""
    lines = [
        "# The demo: every stage at a small size, on free stand-in humans. Generated from "
        f"hgm/systems/{system}/settings.py (`make config`).",
        "# A preset (config/*.yaml) or a copy of this file needs only the keys that differ.",
        "",
    ]
    for name, _, default, text in _fields(part(system, "settings").Config):
        if name == "system":
            continue  # a file that names none stands on this one
        if isinstance(default, Section):
            lines += ["", f"# {text}", f"{name}:"]
            for key, _, value, remark in _fields(type(default)):
                lines.append(f"  {key}: {_scalar(value)}  # {remark}")
        else:
            lines.append(f"{name}: {_scalar(default)}  # {text}")
    return "\n".join(lines) + "\n"


def to_schema(system: str) -> dict[str, Any]:
    """JSON schema for editors and for Snakemake's own validation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **part(system, "settings").Config.model_json_schema(),
    }


def to_markdown(system: str) -> str:
    """docs/config/hgm.md."""
    lines = [
        "# Configuration",
        "",
        f"Generated from `hgm/systems/{system}/settings.py`. Defaults are the demo's "
        "(`config.yaml`).",
        "",
    ]
    lines += ["| key | default | meaning |", "|---|---|---|"]
    sections = []
    for name, _, default, text in _fields(part(system, "settings").Config):
        if isinstance(default, Section):
            sections.append((name, default, text))
        else:
            lines.append(f"| `{name}` | `{_scalar(default)}` | {text} |")
    for name, default, text in sections:
        lines += [
            "",
            f"## {name}",
            "",
            f"{text[0].upper()}{text[1:]}.",
            "",
            "| key | default | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{name}.{key}` | `{_scalar(value)}` | {remark} |"
            for key, _, value, remark in _fields(type(default))
        ]
    return "\n".join(lines) + "\n"
