"""The resources that the jobs of a plan request, from Snakemake itself; the output of a dry run
does not have them for rules with a message."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workspace import Workspace

PLANNING = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
snakefile, folder, *files = map(Path, sys.argv[1:])
with SnakemakeApi(OutputSettings(stdout=False)) as api:
    workflow = api.workflow(
        ResourceSettings(cores=64),
        config_settings=ConfigSettings(configfiles=files),
        snakefile=snakefile,
        workdir=folder,
    )
    workflow.dag().execute_workflow(executor="dryrun")
    jobs = [
        (job.rule.name, job.threads, *(job.resources.get(name, 0) for name in ("gpu", "mem_mb")))
        for job in workflow._workflow.dag.jobs
    ]
print("asked " + json.dumps(jobs))
"""


@dataclass(frozen=True)
class Asked:
    """What the jobs of a rule request at their first attempt."""

    threads: int
    gpus: int
    memory: int  # megabytes


def asked(space: Workspace, *configs: Path) -> dict[str, Asked]:
    """The requests by rule; all jobs of a rule request the same."""
    command = [
        sys.executable,
        "-c",
        PLANNING,
        str(space.root / "Snakefile"),
        str(space.folder),
        *map(str, configs),
    ]
    done = subprocess.run(
        command,
        cwd=space.root,
        env={**os.environ, "PYTHONPATH": str(space.root)},
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("asked ")]
    assert lines, (done.stdout + done.stderr)[-4000:]
    return {
        rule: Asked(*numbers) for rule, *numbers in json.loads(lines[-1].removeprefix("asked "))
    }
