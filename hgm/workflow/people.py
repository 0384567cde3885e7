"""The plan of a system that works on scans of people: what rules/people.smk and rules/views.smk
need to know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from hgm.scans import catalogue
from hgm.workflow.plan import Plan


class PeoplePlan(Plan):
    """The people of a configuration with a section `scans` (`hgm.scans.settings.Scans`), in their
    splits and chunks."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.entries = catalogue.configured_entries(self.config["scans"])

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
    def listed(self) -> Any:
        """The scans with split and chunk, which the configuration may read from files."""
        return [(entry.scan, entry.split, entry.chunk) for entry in self.entries]

    def count(self, split: str) -> int:
        """How many scans of a split there are."""
        return sum(entry.split == split for entry in self.entries)

    @property
    def standin(self) -> bool:
        """Whether the people are stand-ins."""
        return bool(self.config["scans"]["source"] == "standin")

    @property
    def sources(self) -> dict[str, Any]:
        """The settings that say where the training scans and body models are. The list of scans is
        not among them, so that a longer list reruns no job on the scans that were there."""
        return catalogue.data_of(self.config["scans"], "train")

    def sources_of(self, chunk: str) -> dict[str, Any]:
        """The same settings for the scans of a chunk."""
        return catalogue.data_of(
            self.config["scans"], "test" if chunk in self.test_chunks else "train"
        )

    @property
    def standin_chunks(self) -> list[str]:
        """Chunks of the stand-ins that the run itself makes; none where it works on real scans."""
        if not self.standin:
            return []
        return (
            self.learning_chunks
            if catalogue.has_own_test_set(self.config["scans"])
            else self.chunks
        )
