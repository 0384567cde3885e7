"""The shape of a run for the Snakefile: plain values from the configuration, no heavy import, no logic in rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm import catalogue, config
from hgm.provenance import code_key

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


class Plan:
    """What the rules need to know about a configuration."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.config = config.resolve(data)
        self.entries = catalogue.configured(self.config["scans"])

    def code(self, rule: str) -> str:
        """Key of the code that a rule's script runs."""
        return code_key(SCRIPTS / f"{rule}.py")

    @cached_property
    def chunks(self) -> list[str]:
        """Chunks of all splits."""
        return catalogue.chunks(self.entries)

    @cached_property
    def training_chunks(self) -> list[str]:
        return catalogue.chunks(self.entries, "train")

    @cached_property
    def learning_chunks(self) -> list[str]:
        """Chunks that the training stages read: training and validation scans."""
        return catalogue.chunks(self.entries, "train", "val")

    @cached_property
    def test_chunks(self) -> list[str]:
        return catalogue.chunks(self.entries, "test")

    def members(self, chunk: str) -> list[str]:
        """Scans of a chunk."""
        return [e.scan for e in self.entries if e.chunk == chunk]

    @property
    def sources(self) -> dict[str, Any]:
        """Where scans and body models are; which scans are in use is left out, so that a longer list changes no other job."""
        return {key: self.config["scans"][key] for key in ("source", "root", "models", "gender")}

    @property
    def own_normals(self) -> bool:
        """Whether the run trains its own net that reads normals."""
        return self.config["normals"]["icon"] is None

    @property
    def refining_normals(self) -> dict[str, Any]:
        """The section of that net for the refinement of bodies; empty where it uses none, so that the net changes nothing there."""
        return self.config["normals"] if self.config["refine"]["normal"] > 0 else {}

    @property
    def standin(self) -> bool:
        return self.config["scans"]["source"] == "standin"

    @property
    def variants(self) -> list[str]:
        return self.config["evaluate"]["variants"]

    def params(self, *sections: str) -> dict[str, Any]:
        """The named sections, as they stand in the resolved configuration."""
        return {name: self.config[name] for name in sections}
