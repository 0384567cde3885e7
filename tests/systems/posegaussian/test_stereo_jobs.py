"""What jobs of stereo pairs leave behind where scans or pairs cannot be used."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from checkouts import ROOT

from hgm.core.job import Job
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.settings import HeatMaps, Pairs, Rectify


def do(rule: str, run: Path, part: str, inputs: dict, outputs: dict, params: dict, **names) -> dict:
    """Do a job by its script, some of whose names are something else; its manifest."""
    main = runpy.run_path(str(ROOT / f"scripts/posegaussian/{rule}.py"))["main"]
    main.__globals__.update(names)
    files = {name: str(run / path) for name, path in outputs.items()}
    given = {name: str(run / path) for name, path in inputs.items()}
    wildcards = {"part": part, "shots": part}
    main(Job(rule, given, files, {"code": "", **params}, wildcards, log=str(run / "logs/job.log")))
    return json.loads((run / outputs["manifest"]).read_text())


def views_of(run: Path, part: str, inputs: dict, **changes) -> dict:
    params = {
        "pairs": Pairs(**changes.pop("pairs", {})).model_dump(),
        "per_scan": 1,
        "names": ["0505", "0506"],
        "scans": {"source": "thuman2", "root": "", "models": "models", "gender": "male"},
        "seed": 0,
    }
    outputs = {"manifest": f"render_data/{part}.json"}
    return do("stereo_views", run, part, inputs, outputs, params, **changes)


def test_scans_that_the_catalogue_rejected_are_not_rendered(tmp_path):
    rows = ["scan\tsplit\tchunk", "0506\ttest\ttest000", "0505\ttest\ttest001"]
    (tmp_path / "scans.tsv").write_text("\n".join(rows) + "\n")
    asked = []

    def render(place, scans, part, *rest, **more):
        from hgm.core.items import Outcome

        asked.append((scans, part))
        return Outcome({}, {"0506-hard": "no fit"})

    found = views_of(tmp_path, "test000-hard", {"scans": "scans.tsv"}, render_pairs=render)
    assert asked == [(["0506"], "test000-hard")]
    assert found["members"] == {} and found["failed"] == {"0506-hard": "no fit"}


@pytest.mark.parametrize("given", [22.5, None])
def test_a_part_may_lack_all_pairs(tmp_path, given, caplog):
    """Those that come after get an empty list, and the reasons are in its manifest."""
    (tmp_path / "data/test/img/0505_003").mkdir(parents=True)
    pairs = {"root": str(tmp_path / "data"), "size": 32}
    found = views_of(tmp_path, "test000", {}, pairs=pairs)
    assert not found["members"] and "mask" in found["failed"]["0505_003"]
    assert "no folder 0506_000" in found["failed"]["0506"]

    write_json(tmp_path / "render_data/test000.json", {"members": {"0505_003": "key"}})
    rectified = {
        "manifest": "rectified/test000/manifest.json",
        "checks": "rectified/test000/checks.json",
    }
    params = {"rectify": Rectify().model_dump(), "degrees": given}
    views = {"views": "render_data/test000.json"}
    found = do("rectify", tmp_path, "test000", views, rectified, params)
    assert not found["members"] and "0505_003" in found["failed"]
    assert json.loads((tmp_path / rectified["checks"]).read_text()) == {}

    write_json(tmp_path / rectified["manifest"], {"members": {"0505_003": "key"}})
    params = {
        "heatmaps": HeatMaps().model_dump(),
        "rectify": Rectify().model_dump(),
        "place": {"root": None},
    }
    heat = {"manifest": "render_data/test000.heatmaps.json"}
    pairs = {"pairs": rectified["manifest"], **views}
    found = do("heatmaps", tmp_path, "test000", pairs, heat, params)
    assert not found["members"] and "0505_003" in found["failed"]


def test_a_rig_whose_only_frame_lacks_a_mask_stops_nothing(tmp_path):
    files = PairFiles(tmp_path / "rig", "f1")
    files.image("0").parent.mkdir(parents=True)
    files.image("0").touch()
    outputs = {"manifest": "capture/manifest.json", "checks": "capture/checks.json"}
    params = {
        "capture": {"root": str(tmp_path / "rig"), "cameras": ["0", "1"]},
        "rectify": Rectify().model_dump(),
        "size": 32,
        "degrees": 22.5,
    }
    found = do("rig", tmp_path, "capture", {}, outputs, params)
    assert not found["members"] and "0.png: no such mask" in found["failed"]["f1"]


def test_given_pairs_at_another_angle_are_said_in_the_log(rendered, tmp_path, caplog):
    (tmp_path / "render_data").mkdir()
    (tmp_path / "render_data/test").symlink_to(rendered)
    write_json(tmp_path / "render_data/test000.json", {"members": {"0000_000": "key"}})
    outputs = {
        "manifest": "rectified/test000/manifest.json",
        "checks": "rectified/test000/checks.json",
    }
    params = {"rectify": Rectify().model_dump(), "degrees": 45.0}
    views = {"views": "render_data/test000.json"}
    do("rectify", tmp_path, "test000", views, outputs, params)
    [warning] = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "23." in warning and "pairs.degrees is 45; set it to 24" in warning
    [check] = json.loads((tmp_path / outputs["checks"]).read_text()).values()
    assert np.isclose(check["degrees"], 22.5, atol=2.5)
