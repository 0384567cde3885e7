"""The report of stereo pairs: which of them count, its tables, and its page, from files that are
written here."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from hgm.core.manifests import write_json
from hgm.core.run_folder import RunFolder
from hgm.report.bundle import paper_of
from hgm.report.page import build_page
from hgm.systems.posegaussian.report.page import StereoReport
from hgm.systems.posegaussian.report.run import Run
from hgm.systems.posegaussian.report.tables import TABLES, write_tables
from hgm.systems.posegaussian.results import results_of
from hgm.workflow.configuration import resolve

PAPER = paper_of("posegaussian")
RATIOS = (0.1, 0.5, 0.85)
CONFIG = {
    "system": "posegaussian",
    "scans": {"train": "0000", "val": "0500", "test": "0505"},
    "pairs": {"per_scan": 4, "size": 64},
    "depth": {"warmup": 0.05, "horizon": None, "steps": 2000},
    "evaluate": {"variants": ["none", "learned"], "spacings": [45.0], "pairs": 1},
}


def row(psnr: float) -> dict:
    """What a way to make the views measures: the view at each ratio is 1 dB above the one before,
    the box 6 dB below the whole picture."""

    def errors(value: float) -> dict:
        return {"psnr": value, "ssim": 0.9, "lpips": None}

    views = [
        {
            "view": 2 + i,
            "ratio": ratio,
            "full": errors(psnr + i),
            "person_box": errors(psnr + i - 6),
        }
        for i, ratio in enumerate(RATIOS)
    ]
    images = {
        f"{prefix}{region}": {"standard": errors(psnr + 1 - less)}
        for prefix in ("", "halfway_")
        for region, less in (("full", 0), ("person_box", 6))
    }
    return {"images": images, "views": views}


def measured(folder, variant, name, psnr):
    """The metrics.json of a pair."""
    record = {
        **row(psnr),
        "disparity": {"epe": psnr / 20, "under_1": 0.5, "under_3": 0.9},
        "baselines": {"warped_points": row(psnr - 2)},
        "standin": True,
    }
    if variant == "none":
        record["baselines"]["oracle"] = row(psnr + 5)
    write_json(folder / "subjects" / variant / name / "metrics.json", record)


def run_of(folder, **config) -> Run:
    """Two pairs and one at 45 degrees by each variant, with what earlier configurations left."""
    for variant, better in (("none", 0.0), ("learned", 1.0)):
        for number, psnr in enumerate((20.0, 22.0, 50.0)):  # the last is left over
            measured(folder, variant, f"0505_{number:03d}", psnr + better)
        measured(folder, variant, "0505-d45_000", 15.0 + better)
        measured(folder, variant, "0506_000", 50.0)
        for part, names in (
            ("test000", ["0505_000", "0505_001"]),
            ("test000-d45", ["0505-d45_000"]),
        ):
            manifest = folder / "evaluations" / variant / f"{part}.json"
            write_json(manifest, {"members": dict.fromkeys(names, "key"), "failed": {}})
            write_json(folder / "novel_views" / variant / f"{part}.json", {"members": {}})
        frames = {"members": {"0505_000": "key"}}
        write_json(folder / "novel_views" / variant / "capture.json", frames)
    asked = resolve({**CONFIG, **config})
    variants = asked["evaluate"]["variants"]
    return Run(
        folder,
        asked,
        measured=[
            folder / "evaluations" / variant / f"{part}.json"
            for variant in variants
            for part in ("test000", "test000-d45")
        ],
        shown=[
            folder / "novel_views" / variant / f"{part}.json"
            for variant in variants
            for part in ("test000", "test000-d45", "capture")
        ],
    )


@pytest.fixture
def run(tmp_path) -> Run:
    return run_of(tmp_path)


def chosen(frame: pd.DataFrame, **where: object) -> pd.Series:
    """The one row of a table with these values."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_what_earlier_configurations_left_does_not_count(run):
    names = ["0505-d45_000", "0505_000", "0505_001"]
    assert [(s.variant, s.name) for s in run.subjects] == [
        (variant, name) for variant in ("none", "learned") for name in names
    ]
    frames = write_tables(run, PAPER)
    mean = chosen(
        frames["novel_views"], method="none", condition="plain", subject="mean", definition="full"
    )
    assert mean["psnr"] == pytest.approx((21 + 23) / 2)


def test_photos_of_a_rig_are_not_taken_for_pairs_of_the_same_name(run):
    [frame] = run.captured
    assert frame.folder == run.folder / "capture/none/0505_000"
    assert run.is_captured(frame) and not any(map(run.is_captured, run.subjects))
    place = RunFolder(run.folder)
    assert results_of(place, "none", "test000") == run.folder / "subjects/none"


def test_tables_are_means_over_pairs_views_and_places(run):
    frames = write_tables(run, PAPER)
    for name in TABLES:
        written = pd.read_csv(run.folder / f"tables/{name}.csv")
        assert list(written.columns) == list(frames[name].columns)
    # two pairs, 20 and 22 dB at the first view, one more at each further one
    for view, psnr, ratio in (("2", 21.0, 0.1), ("3", 22.0, 0.5), ("4", 23.0, 0.85)):
        mean = chosen(
            frames["by_view"], method="none", condition="plain", subject="mean", view=view,
            definition="full",
        )  # fmt: skip
        assert (mean["psnr"], mean["ratio"]) == pytest.approx((psnr, ratio))
    at = {"method": "learned warped_points", "condition": "plain", "definition": "person_box"}
    for place, psnr in (("0-0.2", 14.0), ("0.4-0.6", 15.0), ("0.8-1", 16.0)):
        mean = chosen(frames["by_ratio"], place=place, **at)
        assert mean["psnr"] == pytest.approx(psnr) and mean["views"] == 2
    error = chosen(frames["disparity"], method="learned", condition="plain", subject="mean")
    assert error["epe"] == pytest.approx((21 + 23) / 2 / 20)


def test_what_rectification_found_is_shown_for_each_condition(run, tmp_path):
    def checked(place: str, *errors: float | None):
        found = {
            f"0505_{i:03d}": {
                "degrees": 30.0, "points": 20 + i, "row_error": error, "in_front": 1.0,
                "both_see": None,
            }
            for i, error in enumerate(errors)
        }  # fmt: skip
        write_json(tmp_path / place / "checks.json", found)
        return tmp_path / place / "checks.json"

    places = [checked("rectified/test000", 0.1, 0.5, None), checked("capture", 3.25)]
    run = dataclasses.replace(run, checks=places)
    frame = write_tables(run, PAPER)["calibration"]
    own = chosen(frame, condition="plain", subject="median")
    assert (own["row_error"], own["points"]) == pytest.approx((0.3, 21))
    assert len(frame) == 3 + 1 + 2
    page = build_page(run, run.folder / "report", StereoReport, paper=PAPER).read_text()
    assert "real rig" in page and "3.25" in page


def test_other_angles_stand_beside_the_same_pairs_at_the_own_angle(run):
    """evaluate.pairs: 1, so that the second pair is not in the table."""
    frame = write_tables(run, PAPER)["spacing"]
    plain, other = (chosen(frame, method="none", condition=c) for c in ("plain", "d45"))
    assert (plain["psnr"], plain["psnr_box"], plain["epe"]) == pytest.approx((21, 15, 1))
    assert (other["psnr"], other["psnr_halfway"], other["epe"]) == pytest.approx((16, 16, 0.75))
    assert np.isnan(plain["lpips"]) and "lpips_halfway_box" in frame


def test_without_a_number_of_pairs_all_are_compared(tmp_path):
    run = run_of(tmp_path, evaluate={**CONFIG["evaluate"], "pairs": None})
    frame = write_tables(run, PAPER)["spacing"]
    assert chosen(frame, method="none", condition="plain")["psnr"] == pytest.approx(22)


def test_the_page_says_what_was_done(run):
    write_tables(run, PAPER)
    page = build_page(run, run.folder / "report", StereoReport, paper=PAPER).read_text()
    for text in (
        "22.00 dB",
        "Each view between, person",
        "0.4-0.6",
        "what only one photo sees included",
        "The first pair of each person",
        "over 100 steps and falls in a line towards step 2,000",
        "Stand-in humans",
        "none, depth alone",
    ):
        assert text in page, text


def test_given_pairs_are_not_called_stand_ins(tmp_path):
    run = run_of(
        tmp_path,
        pairs={"root": "data", "size": 64},
        evaluate={"variants": ["none"], "spacings": []},
    )
    for path in tmp_path.glob("subjects/*/*/metrics.json"):
        write_json(path, {**json.loads(path.read_text()), "standin": False})
    write_tables(run, PAPER)
    page = build_page(run, tmp_path / "report", StereoReport, paper=PAPER).read_text()
    assert not run.standin and run.dataset == "own"
    assert "Stand-in humans" not in page and "The stereo pairs were given" in page
    assert "Heat maps (" not in page


def test_a_run_of_nothing_still_has_a_page(tmp_path):
    run = Run(tmp_path, resolve(CONFIG), measured=[tmp_path / "evaluations/none/test000.json"])
    frames = write_tables(run, PAPER)
    assert frames["by_ratio"].empty and frames["spacing"].empty
    page = build_page(run, tmp_path / "report", StereoReport, paper=PAPER).read_text()
    assert "not available" in page
