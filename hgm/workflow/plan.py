"""What the rules need to know about a run, as plain values computed from its configuration, so that
the rules hold no logic; it imports no heavy package. Each system's plan adds what its own rules
need (`hgm.systems.<system>.plan`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hgm.core.checkout import script_of
from hgm.core.code_keys import code_key
from hgm.core.devices import require
from hgm.errors import InputError
from hgm.report.bundle import texts_digest, viewer_digest
from hgm.systems import part
from hgm.workflow.configuration import resolve, system_of

# environment variable, set in a process that only plans: files that users bring need not exist
# there
ONLY_ASKED = "HGM_ONLY_ASKED"


class Plan:
    """What the rules of every system need to know about a configuration."""

    # rules whose jobs work on the device that the configuration names
    ON_DEVICE: tuple[str, ...] = ()

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.config = resolve(data)

    @property
    def listed(self) -> Any:
        """What the plan read from the disk besides the configuration and what decides which jobs
        there are, such as a list of scans."""
        return None

    def people(self, rule: str, wildcards: Mapping[str, str]) -> Sequence[str]:
        """The people that a job works on one after the other; empty for a job that works on nobody
        or on all at once."""
        return self.members(wildcards["chunk"]) if "chunk" in wildcards else []

    def members(self, chunk: str) -> list[str]:
        """Scans of a chunk."""
        raise NotImplementedError

    def users(self, files: Iterable[str | Path]) -> list[str]:
        """Files that a user brings, as inputs of a job; none in a process that only plans, since
        they may not exist yet."""
        return [] if ONLY_ASKED in os.environ else [str(file) for file in files]

    @property
    def system(self) -> str:
        return str(self.config["system"])

    def code(self, rule: str) -> str:
        """Key of the code that a rule's script runs."""
        return code_key(script_of(rule, self.system))

    def params(self, *sections: str) -> dict[str, Any]:
        """The named sections, as they stand in the resolved configuration."""
        return {name: self.config[name] for name in sections}

    @property
    def texts(self) -> str:
        """Key of the report's templates and of the paper's numbers: files of the checkout that a
        report is made from and that no rule makes."""
        return texts_digest(self.system)

    @property
    def viewer(self) -> str | None:
        """Key of the interactive viewer that the report includes, which no rule builds; None where
        it is not built."""
        return viewer_digest()

    def gpus(self, rule: str) -> int:
        """GPUs of a job."""
        raise NotImplementedError

    def threads(self, rule: str) -> int:
        """Threads of a job."""
        raise NotImplementedError

    def memory(self, rule: str) -> int:
        """Megabytes of host memory of a job."""
        raise NotImplementedError

    def require_gpus(self, rules: Iterable[str]) -> None:
        """Raise InputError where a job of these rules needs a GPU that this machine is known to
        lack."""
        count = max((self.gpus(rule) for rule in rules if rule in self.ON_DEVICE), default=0)
        if count:
            require(self.config["device"], count)


def plan_for(data: Mapping[str, Any]) -> Any:
    """The plan of a configuration, of the system that it names. Raises InputError for a wrong
    configuration."""
    return part(system_of(data), "plan").Plan(data)


def check_pattern(key: str, path: str) -> None:
    """Raises InputError where the path of an input file holds a character that Snakemake reads as
    part of a pattern."""
    if bad := re.search("[{}<>]", path):
        raise InputError(
            f"{key}: {path}: holds {bad[0]!r}, by which Snakemake means something else; rename it"
        )
