"""What a cluster requires of its jobs: one YAML file with sections for CPU jobs and for GPU
jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from snakemake_interface_common.exceptions import WorkflowError

KINDS = ("cpu", "gpu")
KEYS = ("slurm_partition", "slurm_account", "qos", "constraint", "slurm_extra", "max_runtime")
GPU = "gpu"
GRES = "gres"  # of GPU jobs: gpu, or gpu:<model>; null for none


class Resources(dict[str, Any]):
    """Resources by name and as attributes, like Snakemake's own class."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Request:
    """A job in the form that the plugin builds its sbatch command from."""

    name: str
    threads: int
    resources: Resources

    def is_group(self) -> bool:
        return False


Site = Mapping[str, Mapping[str, Any]]


def read_site(path: Path | None) -> Site:
    """The sections `cpu` and `gpu` of a site file. Raises WorkflowError with one line for anything
    else."""
    if path is None:
        return {kind: {} for kind in KINDS}
    try:
        data = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise WorkflowError(
            f"{path}: {error.strerror}; expected the file that describes the cluster "
            "(docs/cluster.md)"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WorkflowError(f"{path}: no YAML ({' '.join(str(error).split())})") from None
    if not isinstance(data, dict) or not set(data) <= set(KINDS):
        raise WorkflowError(f"{path}: expected the sections {' and '.join(KINDS)}")
    for kind, section in data.items():
        allowed = (*KEYS, GRES) if kind == "gpu" else KEYS
        unknown = (
            set(section) - set(allowed) if isinstance(section, dict) else {type(section).__name__}
        )
        if unknown:
            raise WorkflowError(
                f"{path}: {kind}: {', '.join(sorted(map(str, unknown)))} is unknown; expected "
                f"{', '.join(allowed)}"
            )
    # an option with null is left out; `gres` keeps its null, since without it a default applies
    return {
        kind: {
            key: value
            for key, value in data.get(kind, {}).items()
            if value is not None or key == GRES
        }
        for kind in KINDS
    }


def lacking_gres(site: Site, offered: Sequence[str]) -> str | None:
    """The GRES that the site file requests and no node has, None where there is no such. offered:
    lines as sinfo lists them, such as `gpu:a100:4(S:0-1)`, several separated by commas."""
    wanted = site["gpu"].get(GRES, GPU)
    there = {
        part.split("(")[0].strip() for line in offered for part in re.split(r",(?![^()]*\))", line)
    }
    names = {
        ":".join(words[:count])
        for words in (part.split(":") for part in there)
        for count in range(1, len(words) + 1)
    }
    return None if wanted is None or wanted in names else str(wanted)


def request(job: Any, site: Site) -> Request:
    """A job's own resources, completed by those of the site. `gpu` becomes one node and, unless the
    site says null, `gres`, with the job's threads divided among the GPUs. A runtime is at most the
    site's `max_runtime`."""
    own = {name: job.resources.get(name) for name in job.resources.keys()}  # noqa: SIM118 - Snakemake's list iterates over values
    gpus = own.pop("gpu", 0) or 0
    section = dict(site["gpu" if gpus else "cpu"])
    gres = section.pop(GRES, GPU)
    longest = section.pop("max_runtime", None)
    resources = Resources(
        {**section, **{name: value for name, value in own.items() if value is not None}}
    )
    if gpus:
        # the processes of a job communicate within one machine, and --gres counts per node
        resources.setdefault("nodes", 1)
    if gpus and gres is not None:
        resources.setdefault(GRES, f"{gres}:{gpus}")
        # sbatch counts one task for each GPU
        resources.setdefault("cpus_per_task", -(-job.threads // int(gpus)))
    if longest is not None and resources.get("runtime"):
        resources["runtime"] = min(int(resources["runtime"]), int(longest))
    return Request(job.name, job.threads, resources)
