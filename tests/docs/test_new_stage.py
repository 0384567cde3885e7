"""docs/new-stage.md as it stands: its files in a copy of the checkout, tested, planned and run."""

import json
import re
import shutil
from pathlib import Path

import pytest
from checkouts import said
from doc_pages import ROOT, blocks

PAGE = ROOT / "docs/new-stage.md"
COPIED = (
    "hgm",
    "rules",
    "scripts",
    "resources",
    "config",
    "config.yaml",
    "envs",
    "profiles",
    "plugins",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout with the page's stage."""
    folder = tmp_path_factory.mktemp("stage")
    for name in COPIED:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
            continue
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    python = [b for b in blocks(PAGE) if b.language == "python"]
    for block in python:
        if found := re.search(r"`([\w/]+\.(?:py|smk))`:$", block.before):
            (folder / found[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / found[1]).write_text(block.text + "\n")
    line = next(b.text for b in python if b.text.lstrip().startswith("sizes: Sizes"))
    rule = next(b.text for b in python if b.text.startswith("rule sizes:"))
    settings = (folder / "hgm/systems/hgm/settings.py").read_text()
    settings = settings.replace(
        "\n\nclass Config(RunConfig):",
        "from hgm.systems.hgm.sections.sizes import Sizes\n\n\nclass Config(RunConfig):",
    )
    settings = re.sub(r"( +)(evaluate: Evaluate = .*\n)", rf"\1\2\1{line.strip()}\n", settings)
    (folder / "hgm/systems/hgm/settings.py").write_text(settings)
    (folder / "docs").mkdir()
    said(folder, "-m", "hgm.cli", "config", "--write")
    shutil.copyfile(ROOT / "Snakefile", folder / "Snakefile")
    rules = (folder / "rules/hgm.smk").read_text()
    after = "rule mesh:\n"
    assert after in rules
    (folder / "rules/hgm.smk").write_text(rules.replace(after, f"{rule}\n\n\n{after}"))
    return folder


def test_its_test_passes(checkout):
    assert "1 passed" in said(
        checkout, "-m", "pytest", "-p", "no:cacheprovider", "tests/systems/hgm/test_sizes.py"
    )


def test_it_is_planned_with_what_it_needs(checkout):
    target = "results/tiny/subjects/full/test000.sizes.json"
    output = said(
        checkout,
        "-m",
        "snakemake",
        "--configfile",
        "config/hgm/tiny.yaml",
        "--cores",
        "2",
        "--dry-run",
        "--nolock",
        target,
    )
    counts = dict(re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE))
    assert counts["sizes"] == counts["reconstruct"] == "1" and "mesh" not in counts


def test_its_script_does_the_job(checkout):
    import torch

    from hgm.gaussians import Gaussians

    subjects = checkout / "results/x/subjects/full"
    (subjects / "0505").mkdir(parents=True)
    quats = torch.tensor([1.0, 0, 0, 0]).expand(2, 4)
    means = torch.tensor([[0.0, 0, 0], [0.0, 0.75, 0]])
    Gaussians(
        means, torch.tensor([0.9, 0.9]), torch.full((2, 3), 0.01), quats, torch.zeros(2, 3)
    ).save_ply(subjects / "0505/gaussians.ply")
    (subjects / "test000.reconstruct.json").write_text(json.dumps({"members": {"0505": "key"}}))
    job = {
        "rule": "sizes",
        "input": {"subjects": str(subjects / "test000.reconstruct.json")},
        "output": {"manifest": str(subjects / "test000.sizes.json")},
        "params": {"sizes": {"min_opacity": 0.1}},
    }
    (checkout / "job.json").write_text(json.dumps(job))
    said(checkout, "scripts/hgm/sizes.py", "job.json")
    assert json.loads((subjects / "0505/sizes.json").read_text()) == pytest.approx(
        {"gaussians": 2, "height_m": 1.0}, abs=1e-3
    )
    assert list(json.loads((subjects / "test000.sizes.json").read_text())["members"]) == ["0505"]
