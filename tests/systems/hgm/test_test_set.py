"""Test scans of a data set of their own: stand-ins written as CustomHumans beside a training set in
THuman2.0's layout."""

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkouts import ROOT
from PIL import Image
from synthetic_scans import write_custom_humans, write_person

from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.core.job import Job
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.scans import catalogue
from hgm.scans.canonical import scan_to_nu
from hgm.scans.data_source import DataSource
from hgm.scans.humman import HummanFiles
from hgm.scans.obj import load_obj
from hgm.scans.sources import find_scan
from hgm.standin.body.core import write_models
from hgm.systems.hgm.evaluation import true_surface
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.report.methods import methods
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.settings import Config
from hgm.workflow.configuration import parse, read_files
from hgm.workflow.doctor.checks import check
from hgm.workflow.doctor.entries import load_assets


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, model: BodyModel) -> Path:
    """Two people in THuman2.0's layout; the second again, and another, as CustomHumans: one id
    stands in both."""
    root = tmp_path_factory.mktemp("sets")
    write_models(root / "models")
    for name, seed in (("0000", 0), ("0001", 1)):
        write_person(root / "thuman", name, model, seed=seed)
    for name, seed in (("0001", 1), ("0700", 7)):
        files = write_person(root / "made", name, model, seed=seed)
        fit = load_fit(files.fit, model)
        texture = Image.open(files.obj.parent / "material0.jpeg")
        write_custom_humans(
            root / "custom", name, scan_to_nu(fit, model), load_obj(files.obj), fit, texture
        )
    return root


def section(sets: Path, **changes: Any) -> dict[str, Any]:
    own = {
        "source": "thuman2",
        "root": str(sets / "thuman"),
        "models": str(sets / "models"),
        "train": "0000-0001",
        "val": "",
        "test": "0001, 0700-0701",
        "test_source": "customhumans",
        "test_root": str(sets / "custom"),
        "chunk": 2,
    }
    return parse({"scans": {**own, **changes}}).scans.model_dump()


def test_the_catalogue_looks_into_both(sets: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        "catalogue_script", ROOT / "scripts" / "catalogue.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    output = {"scans": str(tmp_path / "scans.tsv"), "rejected": str(tmp_path / "rejected.tsv")}
    script.main(
        Job(
            "catalogue",
            {},
            output,
            {"scans": section(sets)},
            log=str(tmp_path / "logs/catalogue.log"),
        )
    )
    assert [(e.scan, e.split) for e in catalogue.read_entries(tmp_path / "scans.tsv")] == [
        ("0000", "train"),
        ("0001", "train"),
        ("0001", "test"),
        ("0700", "test"),
    ]
    with open(tmp_path / "rejected.tsv") as file:
        rejected = list(csv.reader(file, delimiter="\t"))[1:]
    assert len(rejected) == 1 and rejected[0][0] == "0701" and "custom" in rejected[0][1]


def test_every_job_gets_the_data_set_of_its_chunk(sets: Path) -> None:
    plan = Plan({"scans": section(sets, test_gender="neutral")})
    assert plan.chunks == ["train000", "test000", "test001"]
    assert (
        plan.sources
        == plan.sources_of("train000")
        == {
            "source": "thuman2",
            "root": str(sets / "thuman"),
            "models": str(sets / "models"),
            "gender": "male",
        }
    )
    there = plan.sources_of("test001")
    assert (there["source"], there["root"], there["gender"]) == (
        "customhumans",
        str(sets / "custom"),
        "neutral",
    )
    assert Plan({"scans": section(sets)}).sources_of("test000")["gender"] == "male"
    assert plan.standin_chunks == [] and Plan({}).standin_chunks == Plan({}).chunks
    mixed = Plan(
        {
            "scans": {
                "test_source": "customhumans",
                "test_root": str(sets / "custom"),
                "test": "0001",
            }
        }
    )
    assert mixed.standin_chunks == mixed.learning_chunks and "test000" in mixed.chunks
    alone = Plan({})
    assert alone.sources_of("test000") == alone.sources


def test_one_person_is_measured_alike_in_both(sets: Path, model: BodyModel) -> None:
    plan = Plan({"scans": section(sets)})
    surfaces = []
    for chunk in ("train000", "test000"):
        place = DataSource.of(plan.sources_of(chunk), RunFolder(sets))
        files = find_scan(place.source, place.root, "0001")
        assert files is not None and files.obj.is_relative_to(place.root)
        surfaces.append(true_surface(files, place.model).vertices)
    np.testing.assert_allclose(surfaces[0], surfaces[1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"test_source": None},
            r"^scans\.test_root: counts only with a data set of the test scans",
        ),
        (
            {"test_source": None, "test_root": None, "test_gender": "male"},
            r"^scans\.test_gender: counts only",
        ),
        ({"train": "0000-0001, 0001"}, r"^scans\.train: 0001 stands in it twice"),
        ({"val": "0001"}, r"^scans\.val: 0001 is already in scans\.train"),
        ({"test_source": "humman"}, r"^scans\.test: 0001 is not a name of humman"),
    ],
)
def test_half_descriptions_and_wrong_names(
    sets: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Plan({"scans": section(sets, **changes)})


def test_a_missing_folder_is_named_by_its_key(sets: Path) -> None:
    for root, words in ((None, "customhumans needs it"), (str(sets / "none"), "is not a folder")):
        with pytest.raises(InputError, match=rf"^scans\.test_root: .*{words}"):
            DataSource.of(catalogue.data_of(section(sets, test_root=root), "test"), RunFolder(sets))


def test_the_doctor_looks_into_both(sets: Path) -> None:
    assets = {asset.name: asset for asset in load_assets()}
    config = Config.model_validate({"scans": section(sets)})
    assert check(assets["scans"], config).state == "present"
    found = check(assets["customhumans"], config)
    assert found.state == "missing" and "1 of 3 test scans lack a file (0701)" in found.note
    (sets / "models" / "smplx" / "SMPLX_FEMALE.npz").rename(sets / "models" / "aside")
    other = Config.model_validate({"scans": section(sets, test_gender="female")})
    assert "SMPLX_FEMALE.npz does not exist" in check(assets["body_model"], other).note


def test_the_doctor_looks_for_the_sequences_of_humman(sets: Path, tmp_path: Path) -> None:
    assets = {asset.name: asset for asset in load_assets()}
    names = [f"p00045{i}_a000986" for i in range(3)]
    config = Config.model_validate(
        {
            "scans": section(
                sets, test_source="humman", test_root=str(tmp_path), test=", ".join(names)
            )
        }
    )
    for name in names[:2]:
        for path in HummanFiles(tmp_path, name).own_files():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    found = check(assets["humman"], config)
    assert found.state == "missing"
    assert (
        f"1 of 3 test sequences lack a file ({names[2]}), the first {names[2]}/kinect_color"
        in found.note
    )
    assert check(assets["smpl"], config).note.startswith(
        f"{sets / 'models' / 'smpl' / 'SMPL_NEUTRAL.pkl'} does not exist"
    )
    assert (
        check(assets["humman"], Config.model_validate({"scans": section(sets)})).state
        == "not needed"
    )


def test_the_report_judges_by_the_test_set(sets: Path, tmp_path: Path) -> None:
    for i in range(45):
        path = tmp_path / "subjects" / "full" / f"{i:04d}" / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"standin": False, "variant": "full"}))
    run = Run(tmp_path, parse({"scans": section(sets, test="0000-0044")}).model_dump())
    assert run.dataset == "customhumans" and "another data set, CustomHumans" in methods(run)[0]


def test_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "customhumans_test.txt").write_text("0001\n0003\n")
    config = read_files(
        [ROOT / "config/hgm" / name for name in ("thuman2.yaml", "customhumans.yaml")]
    )
    plan = Plan(config.model_dump())
    assert (
        plan.members("test000") == ["0001", "0003"]
        and plan.sources_of("test000")["source"] == "customhumans"
    )
    assert plan.sources["source"] == "thuman2" and len(plan.training_chunks) == 20


def test_the_preset_of_table_2() -> None:
    """Exactly SHERF's sequences, which the report then holds against the paper's row."""
    config = read_files([ROOT / "config/hgm" / name for name in ("thuman2.yaml", "humman.yaml")])
    plan = Plan(config.model_dump())
    assert len(plan.members("test000")) == 22 and plan.sources_of("test000")["source"] == "humman"
    assert (
        plan.sources_of("test000")["gender"] == "neutral"
        and plan.sources["source"] == "thuman2"
        and plan.own_normals
    )
    assert Run(ROOT / "nowhere", config.model_dump()).dataset == "humman"
