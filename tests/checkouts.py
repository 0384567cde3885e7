"""Checkouts in folders of any name, each with an environment of its own that uses the packages of
the tests."""

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = (
    "Snakefile",
    "rules",
    "scripts",
    "hgm",
    "envs",
    "config",
    "config.yaml",
    "resources",
    "profiles",
    "plugins",
)
FILES = (*WORKFLOW, "Makefile", "pyproject.toml", "requirements.lock", "README.md")


def copy_checkout(folder: Path, names: tuple[str, ...] = FILES) -> Path:
    """Copy files of the checkout to a new folder."""
    folder.mkdir(parents=True)
    for source in map(ROOT.joinpath, names):
        if source.is_dir():
            shutil.copytree(
                source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copyfile(source, folder / source.name)
    return folder


def make_environment(folder: Path) -> Path:
    """Make .venv of a checkout as `make env` does, but without a download; returns its
    site-packages."""
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True
    )
    [packages] = (folder / ".venv").glob("lib/python3*/site-packages")
    (packages / "__editable__.hgm-0.1.0.pth").write_text("../../../..\n")
    (packages / "__editable__.hgm_plugins-0.1.0.pth").write_text("../../../../plugins\n")
    (packages / "shared.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    for name in (".ready", ".viewer", ".pose"):
        (folder / ".venv" / name).touch()
    return packages


def said(folder: Path, *command: str) -> str:
    """What a command of Python prints that succeeds, with the packages of a checkout."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
