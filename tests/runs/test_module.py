"""The workflow as a module of another one, in a folder elsewhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from heads import heads_in
from workspace import ROOT, STANDINS, TINY, Workspace

THEIRS = """
configfile: "config.yaml"

module hgm:
    snakefile: "{root}/Snakefile"
    config: config["people"]
    {more}

use rule * from hgm as hgm_*

rule all:
    default_target: True
    input: rules.hgm_all.input
"""


class User:
    """A workflow of somebody else, whose config.yaml is not ours; the tiny preset is a section of
    it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "Snakefile").write_text(THEIRS.format(root=ROOT, more=more))
        (folder / "config.yaml").write_text(
            yaml.safe_dump({"samples": 3, "people": yaml.safe_load((ROOT / TINY[1]).read_text())})
        )

    def run(self, *arguments: str) -> str:
        """With a head and jobs that are forks, which find the checkout's packages by PYTHONPATH."""
        head = heads_in(ROOT).start(
            "snakemake", ("--cores", "2", *arguments), self.folder, imports=STANDINS
        )
        said, _ = head.communicate()
        assert head.returncode == 0, said[-4000:]
        return said

    def run_as_a_user(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout


@pytest.mark.parametrize("more", ["", 'prefix: "people"'])
def test_it_plans_and_makes_targets(tmp_path, more):
    user = User(tmp_path / "theirs", more)
    results = f"{'people/' if more else ''}results/tiny"
    planned = dict(re.findall(r"^(\w+) +(\d+)$", user.run("--dry-run"), re.MULTILINE))
    assert planned["hgm_report"] == "1" and planned["hgm_evaluate"] == "2" and planned["all"] == "1"
    user.run(f"{results}/standin/test000.json", f"{results}/run.json")
    there = user.folder / results
    made = json.loads((there / "standin/test000.json").read_text())
    assert made["stage"] == "standin" and list(made["members"]) == ["0505"] and made["failed"] == {}
    assert json.loads((there / "run.json").read_text())["config"]["run"] == "tiny"
    assert {path.name for path in user.folder.iterdir()} == {
        "Snakefile",
        "config.yaml",
        ".snakemake",
        results.split("/")[0],
    }
    (there / "run.json").unlink()
    shown = user.run_as_a_user(
        f"{results}/run.json", "--workflow-profile", str(ROOT / "profiles/default")
    )
    assert re.search(r"^1 of 1  record  0:00:\d\d$", shown, re.MULTILINE)
    record = there / "logs/record.job.json"
    replayed = subprocess.run(
        [sys.executable, "-m", "hgm.cli", "replay", str(record)],
        cwd=user.folder,
        capture_output=True,
        text=True,
    )
    assert replayed.returncode == 0, replayed.stderr


def test_it_takes_up_a_run_of_the_checkout_and_builds_its_report(calm: Workspace, tmp_path):
    user = User(tmp_path / "theirs")
    shutil.copytree(calm.results, user.folder / "results/tiny")
    shutil.copytree(calm.folder / ".snakemake", user.folder / ".snakemake")
    assert "Nothing to be done" in user.run()
    page = user.folder / "results/tiny/report/index.html"
    shutil.rmtree(page.parent)
    user.run()
    assert "Human Gaussians" in page.read_text()
