"""The verbs of the command while it is put together."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Action = Callable[[argparse.Namespace], int]


class Verbs:
    """The verbs of a parser; each has a line of help, an example and an action that returns the
    exit status."""

    def __init__(self, top: argparse.ArgumentParser) -> None:
        self._parsers = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(self, name: str, text: str, example: str, action: Action) -> argparse.ArgumentParser:
        """The parser of a new verb, for its arguments."""
        p = self._parsers.add_parser(
            name, help=text, description=text, epilog=f"example: {example}"
        )
        p.set_defaults(action=action)
        return p


def configured(p: argparse.ArgumentParser) -> None:
    """The option of a verb that works on a configuration."""
    p.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="as Snakemake's: presets on config.yaml",
    )
