"""The systems that are reproduced, one folder each.

A part of a system is a module of its folder with an agreed name, such as `settings`, `plan` or
`report`. Shared code asks for a part by the system's name, which the run's configuration holds; a
part is imported only then. docs/new-system.md lists all parts.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hgm.errors import InputError

SYSTEMS = ("hgm", "animatable", "monogaussian", "posegaussian")
DEFAULT = "hgm"  # the system of a configuration or a record that names none


def part(system: str, name: str) -> Any:
    """The module `hgm.systems.<system>.<name>`. Raises InputError for an unknown system."""
    if system not in SYSTEMS:
        raise InputError(f"system: {system!r} is not known; expected one of {', '.join(SYSTEMS)}")
    return import_module(f"{__name__}.{system}.{name}")


def optional_part(system: str, name: str) -> Any | None:
    """The same for a part that not every system has: None where the system has no such module."""
    place = f"{__name__}.{system}"
    for step in name.split("."):
        place = f"{place}.{step}"
        if system in SYSTEMS and find_spec(place) is None:
            return None
    return part(system, name)
