"""The interactive view's program: where it comes from, and that its licenses come with it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hgm.core.manifests import PACKAGE
from hgm.report.bundle import TEMPLATES, VIEWER, paper_of, templates_of, texts_digest
from hgm.systems.hgm.plan import Plan

WEB = PACKAGE / "report" / "web"


def test_the_lock_pins_packages_of_npms_registry() -> None:
    packages = {
        name: p
        for name, p in json.loads((WEB / "package-lock.json").read_text())["packages"].items()
        if name
    }
    assert {
        "node_modules/three",
        "node_modules/@sparkjsdev/spark",
        "node_modules/fflate",
        "node_modules/esbuild",
    } <= set(packages)
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-") and package["license"] == "MIT", name
        assert package.get("resolved", "https://registry.npmjs.org/").startswith(
            "https://registry.npmjs.org/"
        ), name


def test_offline_it_comes_from_the_folder_of_wheels(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "viewer.js").write_text("made elsewhere")
    shutil.copytree(WEB, tmp_path / "web", ignore=shutil.ignore_patterns("dist"))
    subprocess.run(["sh", "web/build.sh", sys.executable], cwd=tmp_path, check=True)
    assert (tmp_path / "web" / "dist" / "viewer.js").read_text() == "made elsewhere"


def test_the_plan_knows_each_text_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "hgm.report.bundle.TEMPLATES": shutil.copytree(TEMPLATES, tmp_path / "templates"),
        "hgm.report.bundle.templates_of": shutil.copytree(templates_of("hgm"), tmp_path / "own"),
        "hgm.report.bundle.paper_of": tmp_path / "paper.yaml",
    }
    shutil.copyfile(paper_of("hgm"), tmp_path / "paper.yaml")
    plan = Plan({})
    seen = [texts_digest("hgm")]
    for name, place in places.items():
        monkeypatch.setattr(name, place if name.endswith("TEMPLATES") else lambda s, p=place: p)
    assert plan.texts == seen[0]  # wherever they lie
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    for path in files:
        path.write_text(path.read_text() + "\n")
        assert plan.texts not in seen
        seen.append(plan.texts)
    assert len(seen) > 8


def test_the_plan_knows_which_program_the_report_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hgm.report.bundle.VIEWER", tmp_path / "viewer.js")
    plan = Plan({})
    assert plan.viewer is None
    (tmp_path / "viewer.js").write_text("a")
    first = plan.viewer
    (tmp_path / "viewer.js").write_text("b")
    assert first is not None and plan.viewer not in (None, first)


@pytest.mark.skipif(not VIEWER.is_file(), reason="the interactive view is not built (make viewer)")
def test_the_program_is_one_script_with_its_licenses() -> None:
    text = VIEWER.read_text()
    assert text.count("Permission is hereby granted") == 3
    for owner in ("WORLD LABS TECHNOLOGIES", "three.js authors", "Arjun Barrett"):
        assert owner in text
    assert "hgmViewer" in text and "\nimport " not in text and "import.meta" not in text
