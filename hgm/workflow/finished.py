"""The configuration that a finished run recorded. It is in a file of its own, so that the code keys
of the stages do not depend on the configuration's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hgm.core.manifests import read_json
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.workflow import configuration


def finished_config(run: Path) -> dict[str, Any]:
    """The configuration of the run in the folder `run` (results/<run>). A key that is newer than
    the run has its default, or the demo's value where the run's record names no system.

    Raises InputError where the folder holds no finished run or its record cannot be understood.
    """
    path = RunFolder(run).record
    if not path.is_file():
        raise InputError(
            f"{run}: not the folder of a finished run (no run.json); expected for example "
            "results/demo"
        )
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise InputError(f"{path}: holds no configuration; expected the record that a run writes")
    try:
        return configuration.resolve(record["config"])
    except InputError as error:
        raise InputError(f"{path}: made by another version of hgm ({error})") from None
