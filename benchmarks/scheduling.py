"""How busy a SLURM cluster of three nodes is while 2,000 scans are rendered, with rendering
replaced by sleeping.

The cluster is a real one on this machine (tests/runs/cluster.py), Snakemake, rules and
profiles/slurm are the real ones. Busy is the share of all cores' time, from the first job's start
to the last one's end, in which SLURM had given the core to a job.

    python benchmarks/scheduling.py
    python benchmarks/scheduling.py --scans 200 --seconds 5
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/workflow"))

from cluster import Cluster, missing  # noqa: E402
from cluster_runs import ClusterRun  # noqa: E402
from workspace import Workspace  # noqa: E402

COPIED = (
    "Snakefile",
    "rules",
    "scripts",
    "hgm",
    "envs",
    "config",
    "config.yaml",
    "profiles",
    "resources",
    "plugins",
)
SLEEP = """import time
from pathlib import Path

time.sleep({seconds})
Path(snakemake.output.manifest).write_text("{{}}\\n")
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument(
        "--chunk", type=int, default=20, help="scans of a job (default: %(default)s)"
    )
    parser.add_argument("--cores", type=int, default=2, help="of each node (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="that a job sleeps (default: %(default)s)"
    )
    options = parser.parse_args()
    if missing():
        sys.stderr.write(f"error: {missing()}\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="busy", dir="/tmp"))
    folder.chmod(0o755)  # munge wants its socket within reach of all
    cluster = Cluster(folder / "slurm", cpus=options.cores)
    try:
        run = pretended(cluster, folder, options)
        cluster.start()
        begun = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run.run(
            "views",
            "--configfile",
            str(folder / "many.yaml"),
            "--set-resources",
            "render:mem_mb=500",
        )
        seconds = time.monotonic() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        jobs = [
            line.split()
            for line in cluster.slurm(
                "squeue", "--noheader", "--states=all", "--format=%S %e"
            ).splitlines()
        ]
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in jobs]
    whole = (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()
    given = sum((end - start).total_seconds() for start, end in spans)
    cores = len(cluster.nodes) * options.cores
    head = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(
        f"{options.scans} scans, {len(spans)} jobs of {options.seconds:g} s on {cores} cores: "
        f"{seconds:.0f} s, busy {given / whole / cores:.1%}, asleep "
        f"{len(spans) * options.seconds / whole / cores:.1%}, CPU of the head {head:.1f} s\n"
    )
    return 0


def pretended(cluster: Cluster, folder: Path, options: argparse.Namespace) -> ClusterRun:
    """A run of which only the rendering is left to do, and sleeps."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, checkout / name)
    (checkout / "scripts/render.py").write_text(SLEEP.format(seconds=options.seconds))
    test = options.scans // 20
    (folder / "many.yaml").write_text(
        f"run: many\nscans: {{train: 0000-{options.scans - test - 2:04}, val: "
        f"'{options.scans - test - 1:04}', test: {options.scans - test:04}-{options.scans - 1:04}, "
        f"chunk: {options.chunk}}}\n"
    )
    space = Workspace(folder / "work", checkout)
    chosen = ("views", "--configfile", str(folder / "many.yaml"), "--cores", "1")
    files = [
        line.split("\t")[0]
        for line in space.run(*chosen, "--summary").splitlines()
        if line.startswith("results/")
    ]
    for name in files:
        path = space.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    space.run(*chosen, "--touch", "--forceall")
    for path in space.folder.glob("results/many/views/*/manifest.json"):
        path.unlink()
    return ClusterRun(cluster, folder / "work", root=checkout)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error.stderr}")
