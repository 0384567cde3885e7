"""docs/reference.md, generated from the parser of the `hgm` command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator


def _verbs(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _name(action: argparse.Action) -> str:
    """An argument as it is typed: the option and its value."""
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"`{value} …`" if action.nargs in ("+", "*") else f"`{value}`"
    option = action.option_strings[-1]
    if action.nargs == 0:
        return f"`{option}`"
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    return f"`{option} {value}{' …' if action.nargs in ('+', '*') else ''}`"


def _default(action: argparse.Action) -> str:
    if action.required:
        return "required"
    return "" if action.default in (None, False, []) or action.nargs == 0 else f"`{action.default}`"


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table: bars and tags are escaped."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("%%", "%")


def to_markdown(top: argparse.ArgumentParser) -> str:
    """docs/reference.md: every verb with its arguments and an example, in the order of `hgm
    --help`."""
    lines = [
        "# The `hgm` command",
        "",
        "Generated from `hgm/cli/` (`make config`). `hgm VERB --help` says the same.",
        "`make env` puts the command into `.venv/bin`.",
        "",
        "Exit status: 0 done, 1 failed with one line `error: …`, 2 wrong usage.",
    ]
    for name, verb in _verbs(top):
        example = (verb.epilog or "").removeprefix("example: ")
        text = (verb.description or "").strip()
        lines += [
            "",
            f"## {name}",
            "",
            f"{_cell(text[:1].upper() + text[1:])}.",
            "",
            "```",
            example,
            "```",
        ]
        arguments = [a for a in verb._actions if not isinstance(a, argparse._HelpAction)]
        if arguments:
            lines += ["", "| argument | default | meaning |", "|---|---|---|"]
            lines += [f"| {_name(a)} | {_default(a)} | {_cell(a.help or '')} |" for a in arguments]
    return "\n".join(lines) + "\n"
