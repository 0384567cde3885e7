"""Paths below the home folder, written as `~/…` in the files of a run.

So a run that is given to others does not tell the user's name, and on another machine its paths
lead into the home folder there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any


def without_home(data: Any) -> Any:
    """Plain data with `~` for the home folder wherever a path in a text begins with it."""
    if isinstance(data, str):
        pattern = _pattern(os.path.expanduser("~"))
        return pattern.sub("~", data) if pattern is not None else data
    if isinstance(data, Mapping):
        return {key: without_home(value) for key, value in data.items()}
    return [without_home(value) for value in data] if isinstance(data, list | tuple) else data


def with_home(data: Any) -> Any:
    """Plain data with the home folder in place of a text's leading `~/`."""
    if isinstance(data, str):
        return os.path.expanduser(data) if data.startswith("~/") else data
    if isinstance(data, Mapping):
        return {key: with_home(value) for key, value in data.items()}
    return [with_home(value) for value in data] if isinstance(data, list | tuple) else data


@cache
def _pattern(home: str) -> re.Pattern[str] | None:
    """A pattern of the home folder where a path begins; None where the home folder is unknown or
    `/`."""
    home = home.rstrip("/")
    return (
        re.compile(rf"(?<![^\s'\"(=:,;]){re.escape(home)}(?=/)") if home.startswith("/") else None
    )
