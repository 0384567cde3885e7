"""The container: its definition has all that the workflow needs, and starts it in another
folder."""

import json
import shutil
import subprocess

import pytest
from container import PLACE, Container, section
from workspace import Workspace

TINY = ("--configfile", f"{PLACE}/config/hgm/tiny.yaml", "--cores", "2")


@pytest.fixture(scope="module")
def container(tmp_path_factory) -> Container:
    return Container(tmp_path_factory.mktemp("container"))


def test_its_python_finds_the_package_and_both_plugins(container, tmp_path):
    names = ("hgm", "snakemake_executor_plugin_slurm_safe", "snakemake_logger_plugin_live")
    code = (
        f"import {', '.join(names)}; "
        f"print(*({', '.join(f'{name}.__file__' for name in names)}), sep='\\n')"
    )
    found = container.do(f'python -c "{code}"', tmp_path).split("\n")[: len(names)]
    assert found == [
        str(container.place / folder / name / "__init__.py")
        for folder, name in zip(("", "plugins", "plugins"), names, strict=True)
    ]
    offered = container.run(tmp_path, "--help")
    assert "--logger {live}" in offered and "slurm-safe" in offered


def test_the_system_knows_its_packages():
    """As far as this one is asked: it may be another release of Debian than the container's."""
    [install] = [command for command in section("post") if "apt-get install" in command]
    wanted = [word for word in install.split()[2:] if not word.startswith("-")]
    if (
        shutil.which("apt-cache") is None
        or subprocess.run(["apt-cache", "show", "libc6"], capture_output=True).returncode
    ):
        pytest.skip("no list of Debian's packages here (apt-get update)")
    unknown = [
        name
        for name in wanted
        if subprocess.run(["apt-cache", "show", name], capture_output=True).returncode
    ]
    assert len(wanted) > 5 and unknown == []


def test_it_works_in_an_empty_folder(container, tmp_path):
    container.run(tmp_path, "results/tiny/standin/models.json", *map(container.here, TINY))
    made = json.loads((tmp_path / "results/tiny/standin/models.json").read_text())
    assert made["stage"] == "body_model"
    assert {path.name for path in tmp_path.iterdir()} == {"results", ".snakemake"}


def test_it_takes_up_a_run_of_the_checkout_and_builds_its_report(
    container, calm: Workspace, tmp_path
):
    """The same jobs as in the checkout: nothing that a job depends on has the place of the checkout
    in it."""
    folder = tmp_path / "work"
    shutil.copytree(calm.results, folder / "results/tiny")
    shutil.copytree(calm.folder / ".snakemake", folder / ".snakemake")
    assert "Nothing to be done" in container.run(folder, *TINY)
    page = folder / "results/tiny/report/index.html"
    tables = folder / "results/tiny/tables"
    before = {path.name: path.read_bytes() for path in tables.iterdir()}
    shutil.rmtree(page.parent)
    container.run(folder, *TINY)
    assert (
        "Human Gaussians" in page.read_text()
        and {path.name: path.read_bytes() for path in tables.iterdir()} == before
    )
    assert "Finished." in container.run(folder, "status", "--run", "results/tiny", app="hgm")
