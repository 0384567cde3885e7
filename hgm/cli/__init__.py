"""The `hgm` command. Every verb imports what it needs when it runs, so that `hgm --help` is
quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hgm import __version__
from hgm.cli import (
    bench,
    config,
    control,
    doctor,
    export,
    reconstruct,
    replay,
    standin,
    transfer,
    view,
    weights,
)
from hgm.cli.verbs import Verbs
from hgm.core import caches, libraries
from hgm.errors import InputError, Interrupted

VERBS = (
    reconstruct.add_reconstruct,
    standin.add_standin,
    weights.add_import_weights,
    doctor.add_doctor,
    export.add_export_views,
    export.add_export,
    view.add_view,
    transfer.add_pack,
    transfer.add_unpack,
    control.add_status,
    control.add_plan,
    control.add_prune,
    replay.add_replay,
    bench.add_bench,
    config.add_config,
)


def parser() -> argparse.ArgumentParser:
    """All verbs with their help and an example each."""
    top = argparse.ArgumentParser(
        prog="hgm", description="HGM: generalizable human Gaussians from a single view."
    )
    top.add_argument("--version", action="version", version=f"hgm {__version__}")
    verbs = Verbs(top)
    for add in VERBS:
        add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 is success, 1 a failure told in one line, 2 wrong usage."""
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
