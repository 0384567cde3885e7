"""A Snakemake that is not the checkout's: in an environment that has neither the package nor its
plugins, nor the plugin for SLURM."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest
from container import LAUNCHER
from workspace import ROOT

OURS = ("hgm", "__editable__", "snakemake_executor_plugin_")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with the other packages of the tests' own."""
    folder = tmp_path_factory.mktemp("foreign")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for place in map(Path, site.getsitepackages()):
        for path in place.iterdir():
            if not path.name.startswith(OURS) and path.suffix != ".pth":
                (packages / path.name).symlink_to(path)
    (folder / "bin/snakemake").write_text(LAUNCHER.format(python=folder / "bin/python"))
    return folder / "bin/python"


def asked(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Snakemake in the checkout, with the profile that it takes there by itself."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [*map(str, command), "--configfile", "config/hgm/tiny.yaml", "--cores", "1", "--nolock"],
        cwd=ROOT,
        text=True,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_it_has_no_plugin_of_ours(python):
    done = asked(python, python.parent / "snakemake", "--help")
    assert (
        done.returncode == 0
        and "--logger" in done.stdout
        and not re.search(r"{live}|--slurm-", done.stdout)
    )


# the latter finds the package in the checkout, its working folder
@pytest.mark.parametrize("module", [False, True], ids=["program", "module"])
def test_it_plans_the_run(python, module):
    done = asked(
        python, *(["-m", "snakemake"] if module else [python.parent / "snakemake"]), "--dry-run"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "profiles/default" in done.stdout and "This was a dry-run" in done.stdout


def test_it_says_what_it_needs_for_slurm(python):
    """Where it finds our plugins, but not what they extend."""
    plugins = {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    done = asked(python, "-m", "snakemake", "--executor", "slurm-safe", "--jobs", "1", **plugins)
    assert (
        done.returncode != 0
        and "this Python has no snakemake-executor-plugin-slurm; use .venv/bin/snakemake"
        in done.stdout
    )
    assert "Traceback" not in done.stdout
