"""The list of assets, `resources/assets.yaml`, as a typed model, and which of them a configuration
needs."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hgm.core.checkout import RESOURCES
from hgm.errors import InputError
from hgm.workflow.configuration import Config

LIST = RESOURCES / "assets.yaml"
GIVEN = "given"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AssetFile(_Row):
    """One published file; `path` is relative to the asset's folder."""

    path: str
    remote: str | None = None  # its name at the source, where that differs
    bytes: int | None = None
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class Asset(_Row):
    """One row of the list."""

    name: str
    title: str
    use: str
    url: str | None
    get: str
    gate: str | None  # what a download requires, such as an account; None: nothing
    license: str
    key: str | None = None  # configuration key of its path
    system: str | None = None  # whose key it is, where another system has one of that name
    when: list[dict[str, str]] = []  # alternatives: it is needed where all conditions of one hold
    rules: list[str] = []  # names of the rules that read it
    check: str | None = None  # one of `hgm.workflow.doctor.checks` or of a system's part `doctor`
    layout: list[str] = []  # files below the path, as patterns
    size: str | None = None  # as published, where `files` has none
    folder: str | None = None  # of the download; None for a single file
    source: str | None = None  # URL that `files` are below
    files: list[AssetFile] = []

    @model_validator(mode="after")
    def _complete(self) -> Asset:
        if self.when and (self.key is None or self.check is None):
            raise ValueError("an asset that a configuration can need has a key and a check")
        if self.source is not None and not self.files:
            raise ValueError("a source without files")
        return self

    @property
    def free(self) -> bool:
        """Whether it can be downloaded without an account or an agreement."""
        return self.gate is None and self.source is not None

    @property
    def bytes(self) -> int | None:
        """Size of all files together; None where one is unknown."""
        sizes = [file.bytes for file in self.files]
        return sum(s for s in sizes if s is not None) if sizes and None not in sizes else None

    def place(self, into: Path) -> Path:
        """The path of the download below `into`, which is the value for the configuration key."""
        return into / (self.folder or self.files[0].path)

    def file_place(self, file: AssetFile, into: Path) -> Path:
        return into / (self.folder or "") / PurePosixPath(file.path)

    def file_url(self, file: AssetFile) -> str:
        return f"{self.source}/{file.remote or file.path}"

    def needed(self, config: Config) -> bool:
        """Whether a configuration needs it: all conditions of one of the alternatives hold."""
        return self.concerns(config) and any(
            all(_holds(value_of(config, key), wanted) for key, wanted in way.items())
            for way in self.when
        )

    def concerns(self, config: Config) -> bool:
        """Whether the configuration's system has the asset's key. An asset without a key concerns
        every system."""
        if self.key is None or self.system not in (None, config.system):
            return self.key is None
        section, name = self.key.split(".")
        return hasattr(getattr(config, section, None), name)

    def path(self, config: Config) -> str | None:
        """The path that the configuration gives; None where it gives none."""
        return None if self.key is None else value_of(config, self.key)


def _holds(value: Any, wanted: str) -> bool:
    if wanted == GIVEN:
        return value is not None
    return wanted in value if isinstance(value, list) else value == wanted


def value_of(config: Config, key: str) -> Any:
    """The value of `section.name`; None where the configuration's system has no such key."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def load_assets(path: str | Path = LIST) -> list[Asset]:
    """Read the list. Raises InputError naming the file and the first wrong entry."""
    try:
        rows = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path}: not a readable list of assets ({' '.join(str(error).split())})"
        ) from None
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of assets, got {type(rows).__name__}")
    assets = []
    for number, row in enumerate(rows):
        try:
            assets.append(Asset.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            name = row.get("name", number) if isinstance(row, dict) else number
            raise InputError(
                f"{path}: asset {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from None
    return assets
