"""`hgm config`: the configuration and what is generated from it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_config(verbs: Verbs) -> None:
    p = verbs.add(
        "config",
        "print the default configuration, check a file or write the generated files",
        "hgm config --check config/tiny.yaml",
        _config,
    )
    p.add_argument(
        "--check",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="YAML files to validate; the last one wins, as for --configfile",
    )
    p.add_argument(
        "--write",
        action="store_true",
        help="write config.yaml, config/schema.json, docs/config.md and docs/reference.md of the "
        "checkout",
    )


def _config(args: argparse.Namespace) -> int:
    import json

    from hgm.cli import parser, reference
    from hgm.core.checkout import ROOT
    from hgm.core.runtime import atomic_write
    from hgm.workflow import config_text, configuration
    from hgm.workflow.plan import plan_for

    if args.check:
        # says what a run would say before its first job
        plan_for(configuration.read_files(args.check).model_dump(mode="json"))
        sys.stdout.write(f"{', '.join(map(str, args.check))}: fine\n")
        return 0
    files = {
        "config.yaml": config_text.to_yaml("hgm"),
        "docs/config.md": config_text.to_markdown("hgm"),
        "docs/reference.md": reference.to_markdown(parser()),
        "config/schema.json": json.dumps(config_text.to_schema("hgm"), indent=1) + "\n",
    }
    if not args.write:
        sys.stdout.write(files["config.yaml"])
        return 0
    for name, text in files.items():
        with atomic_write(ROOT / name, "w") as file:
            file.write(text)
    return 0
