"""The shape of a run for the Snakefile: plain values from the configuration, no heavy import, no
logic in rules. Each system's plan adds what its rules ask (`hgm.systems.<system>.plan`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hgm.core.checkout import SCRIPTS
from hgm.core.code_keys import code_key
from hgm.core.devices import require
from hgm.errors import InputError
from hgm.report.bundle import texts_digest, viewer_digest
from hgm.systems import DEFAULT, part
from hgm.workflow.configuration import resolve


class Plan:
    """What the rules of every system need to know about a configuration."""

    # rules whose jobs work on the device that the configuration names
    ON_DEVICE: tuple[str, ...] = ()

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.config = resolve(data)

    @property
    def system(self) -> str:
        return str(self.config["system"])

    def code(self, rule: str) -> str:
        """Key of the code that a rule's script runs."""
        return code_key(SCRIPTS / f"{rule}.py")

    def params(self, *sections: str) -> dict[str, Any]:
        """The named sections, as they stand in the resolved configuration."""
        return {name: self.config[name] for name in sections}

    @property
    def texts(self) -> str:
        """What the report is made with besides code: it is the checkout's and no product of a
        rule."""
        return texts_digest(self.system)

    @property
    def viewer(self) -> str | None:
        """Which interactive view the report gets: it is built apart from the workflow, and may be
        lacking."""
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
    """The plan of a configuration, by the system that it names. Raises InputError for a wrong
    configuration."""
    return part(str(data.get("system", DEFAULT)), "plan").Plan(data)


def check_pattern(key: str, path: str) -> None:
    """Raises InputError for an input file whose path Snakemake would take for a pattern."""
    if bad := re.search("[{}<>]", path):
        raise InputError(
            f"{key}: {path}: holds {bad[0]!r}, by which Snakemake means something else; rename it"
        )
