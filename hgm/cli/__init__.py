"""The `hgm` command. Each verb imports what it needs only when it runs, so that `hgm --help` is
quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hgm import __version__
from hgm.cli import data, develop, results, run
from hgm.core import caches, libraries
from hgm.core.verbs import Verbs
from hgm.errors import InputError, Interrupted
from hgm.systems import SYSTEMS, optional_part

# verbs that no single system adds; those that one adds come before them
VERBS = (
    data.add_standin,
    data.add_doctor,
    results.add_animate,
    results.add_export_views,
    results.add_export,
    results.add_view,
    data.add_pack,
    data.add_unpack,
    run.add_status,
    run.add_plan,
    run.add_prune,
    run.add_replay,
    develop.add_bench,
    develop.add_config,
)


def parser() -> argparse.ArgumentParser:
    """All verbs with their help and an example each."""
    top = argparse.ArgumentParser(
        prog="hgm", description="3D Gaussians of people: systems that make them, end to end."
    )
    top.add_argument("--version", action="version", version=f"hgm {__version__}")
    verbs = Verbs(top)
    commands = [found for system in SYSTEMS if (found := optional_part(system, "commands"))]
    own = [add for module in commands for add in module.VERBS]
    for add in (*own, *VERBS):
        add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 success, 1 a failure with one line on standard
    error, 2 wrong usage, 130 interrupted."""
    top = parser()
    args = top.parse_args(argv)
    caches.settle()
    try:
        return args.action(args)
    except (InputError, Interrupted) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except ImportError as error:
        reason = libraries.explain(error)
        if reason is None:
            raise
        sys.stderr.write(f"error: {reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
