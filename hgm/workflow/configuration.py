"""The configuration of a run: the keys that every system has, and reading it from files.

The key `system` names the system; its sections are in `hgm.systems.<system>.settings.Config`. A key
that is left out has its default there, the paper's value. A configuration that names no system
changes the demo, `config.yaml`, instead: a key that is left out has the demo's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError

from hgm.core import checkout
from hgm.core.devices import NAMES
from hgm.core.home_paths import with_home
from hgm.core.settings import Section, described
from hgm.errors import InputError
from hgm.systems import DEFAULT, SYSTEMS, part

# the `Config` of a system's settings; which system's is known only when a file is read
Config = Any


class RunConfig(Section):
    """The keys that every system's configuration begins with; each system adds its sections."""

    system: str = described(
        DEFAULT, "system to run; a file without this key changes values of the demo, config.yaml"
    )
    run: str = described(
        "demo",
        "name of the run: its results are in results/<run>",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
    )
    seed: int = described(
        10,
        "seed of all random numbers; a configuration gives the same bytes on one model of CPU "
        "(docs/reliability.md)",
        ge=0,
    )
    device: str = described(
        "auto", "cpu, cuda, cuda:1, or auto: a GPU where there is one", pattern=NAMES
    )
    splat: Literal["auto", "gsplat", "diff-gaussian-rasterization", "numba", "torch"] = described(
        "auto", "splatting backend"
    )
    environments: Literal["cpu", "cu118", "cu126", "cu130"] = described(
        "cpu", "variant of conda environments (docs/environments.md)"
    )

    def check(self) -> None:
        """Raises InputError for values that are valid one by one but contradict each other."""


def system_of(data: Any) -> str:
    """The system that a configuration (plain data) names, else the default system. Raises
    InputError where the data is not a mapping."""
    if not isinstance(data, Mapping):
        raise InputError(f"configuration: expected a mapping, got {type(data).__name__}")
    return str(data.get("system", DEFAULT))


def parse(data: Mapping[str, Any]) -> Any:
    """The validated `Config` of the system that the data names; keys that are left out are filled
    in from the defaults, or from the demo where the data names no system.

    Raises InputError with one line that names the first wrong key.
    """
    system = system_of(data)
    model = part(system, "settings").Config
    try:
        config = model.model_validate(with_home(_standing(data)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "configuration"
        if first["type"] == "extra_forbidden":
            raise _unknown(key, system, model, first["loc"]) from None
        raise InputError(f"{key}: {first['msg']}, got {first['input']!r:.100}") from None
    config.check()
    return config


def _unknown(key: str, system: str, model: Any, loc: tuple[int | str, ...]) -> InputError:
    """The error for a key that the system does not have: which systems have such a section, or else
    which keys are known."""
    others = [
        other
        for other in SYSTEMS
        if other != system and loc[0] in part(other, "settings").Config.model_fields
    ]
    if len(loc) == 1 and others:
        return InputError(
            f"{key}: a section of {' and '.join(others)}, and this is a configuration of system "
            f"{system}; set `system`, or leave the section out"
        )
    known = ", ".join(_siblings(model, loc))
    return InputError(
        f"{key}: unknown key in a configuration of system {system}; expected one of: {known}"
    )


def _siblings(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The known keys of the section that a wrong key is in."""
    for name in loc[:-1]:
        field = (
            model.model_fields.get(str(name))
            if isinstance(model, type) and issubclass(model, BaseModel)
            else None
        )
        if field is None:
            return []
        model = field.annotation
    return list(model.model_fields)


def resolve(data: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with every default filled in, as the workflow's rules read it."""
    return parse(data).model_dump(mode="json")


def read(path: str | Path) -> dict[str, Any]:
    """The plain mapping in a YAML file, not validated. Raises InputError when the file cannot be
    read or holds anything else."""
    try:
        data = yaml.safe_load(Path(path).read_text()) or {}
    except Exception as error:  # impossible dates, endless brackets and the like are no YAMLError
        raise InputError(
            f"{path}: not a readable YAML file ({' '.join(str(error).split())})"
        ) from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a mapping of sections, got {type(data).__name__}")
    return data


def read_files(paths: Sequence[Path]) -> Any:
    """The configuration that the workflow reads from files: a later file overrides an earlier one,
    and where none names a system, all of them override `config.yaml` of the working folder.

    Raises InputError where a file cannot be read, a key is wrong, or two files name different
    systems.
    """
    files = {path: read(path) for path in paths}
    check_one_system({str(path): data for path, data in files.items()})
    default = checkout.default_config()
    data = {} if is_named(files.values()) or not default.is_file() else read(default)
    for one in files.values():
        data = _merged(data, one)
    return parse(data)


def is_named(files: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of the files (as mappings) names a system, so that the system's defaults and not
    the demo fill in what they leave out."""
    return any("system" in data for data in files)


def check_one_system(files: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises InputError where the files (path -> content) name different systems."""
    named = {path: str(data["system"]) for path, data in files.items() if "system" in data}
    if len(set(named.values())) > 1:
        words = ", ".join(f"{path} is of {system}" for path, system in named.items())
        raise InputError(f"system: {words}; one run is of one system")


def demo_file(system: str) -> Path:
    """The file of a system's demo, which holds what differs from the paper's values."""
    return checkout.ROOT / ("config.yaml" if system == DEFAULT else f"config/{system}/demo.yaml")


def preset(system: str, name: str | None) -> Config:
    """The configuration of a system's preset, `config/<system>/<name>.yaml`; of all defaults, the
    paper's values, where the name is None."""
    if name is None:
        return parse({"system": system})
    return load(checkout.ROOT / f"config/{system}/{name}.yaml")


def _standing(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Plain data, completed from the demo where it names no system."""
    demo = demo_file(DEFAULT)
    return data if "system" in data or not demo.is_file() else _merged(read(demo), data)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        merged[key] = (
            _merged(before, value)
            if isinstance(before, dict) and isinstance(value, dict)
            else value
        )
    return merged


def load(path: str | Path) -> Any:
    """Read and validate a YAML file."""
    return parse(read(path))
