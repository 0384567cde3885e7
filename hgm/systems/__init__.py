"""The systems that are reproduced, one folder each.

A part of a system is a module of its folder by an agreed name: `settings`, `plan`, `report`. Shared
code asks for it by the name of the system that a run has, and nothing is imported before.
docs/new-system.md names all parts.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hgm.errors import InputError

SYSTEMS = ("hgm",)
DEFAULT = "hgm"  # of a configuration and of a record that name none


def part(system: str, name: str) -> Any:
    """The module `hgm.systems.<system>.<name>`. Raises InputError for a system that is not
    there."""
    if system not in SYSTEMS:
        raise InputError(f"system: {system!r} is not known; expected one of {', '.join(SYSTEMS)}")
    return import_module(f"{__name__}.{system}.{name}")


def optional_part(system: str, name: str) -> Any | None:
    """The same of a part that a system may do without: None where it has no such module."""
    place = f"{__name__}.{system}"
    for step in name.split("."):
        place = f"{place}.{step}"
        if system in SYSTEMS and find_spec(place) is None:
            return None
    return part(system, name)
