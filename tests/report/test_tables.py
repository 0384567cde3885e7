"""The CSV tables: means, both definitions, what is not available, and verdicts against the paper."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from hgm.config import resolve
from hgm.errors import InputError
from hgm.metrics.kid import KID
from hgm.report.page import PAPER
from hgm.report.run import PAPER_TEST, Run
from hgm.report.tables import TABLES, read_paper, verdict, write_tables

from .conftest import metrics


def small_run(folder: Path, names: list[str], *, standin: bool, source: str, lpips: float | None = None) -> Run:
    for variant in ("full", "no_body"):
        for i, name in enumerate(names):
            path = folder / "subjects" / variant / name / "metrics.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(metrics(name, variant, i % 3, standin=standin, lpips=lpips)))
    return Run(folder, resolve({"scans": {"source": source}}))


def test_means_and_definitions_stand_side_by_side(tmp_path: Path) -> None:
    run = small_run(tmp_path, ["0505", "0506"], standin=True, source="standin")
    write_tables(run, PAPER, kid={"full": KID(0.00926, 0, 1, 2, 2), "no_body": None})
    nvs = pd.read_csv(tmp_path / "tables" / "nvs.csv", dtype={"subject": str})
    assert list(nvs.columns) == ["method", "subject", "definition", "psnr", "ssim", "ms_ssim", "lpips", "subjects"]
    rows = nvs[(nvs["method"] == "full") & (nvs["definition"] == "standard")].set_index("subject")
    assert rows.loc["mean", "psnr"] == pytest.approx((rows.loc["0505", "psnr"] + rows.loc["0506", "psnr"]) / 2)
    assert rows.loc["mean", "subjects"] == 2
    released = nvs[(nvs["method"] == "full") & (nvs["definition"] == "released_code")].set_index("subject")
    assert released.loc["0505", "ssim"] > rows.loc["0505", "ssim"]
    assert nvs["lpips"].isna().all() and ",,2\n" in (tmp_path / "tables" / "nvs.csv").read_text()
    assert set(nvs["method"]) == {"full", "coarse", "textured_body", "copy_nearest"}
    back = pd.read_csv(tmp_path / "tables" / "backview.csv")
    assert back["kid_e3"].dropna().tolist() == [pytest.approx(9.26)]
    ablation = pd.read_csv(tmp_path / "tables" / "ablation.csv")
    best = ablation[ablation["definition"] == "standard"].set_index("variant")["psnr"]
    assert best.loc["full"] > best.loc["no_body"]
    smplx = pd.read_csv(tmp_path / "tables" / "smplx.csv", dtype={"subject": str}).set_index("subject")
    assert smplx.loc["mean", "mpjpe_mm"] == pytest.approx(46.5)
    geometry = pd.read_csv(tmp_path / "tables" / "geometry.csv")
    assert set(geometry["alignment"]) == {"none", "icp"}


def test_a_missing_number_is_left_out_of_the_mean(tmp_path: Path) -> None:
    run = small_run(tmp_path, ["0505", "0506"], standin=True, source="standin")
    path = tmp_path / "subjects" / "full" / "0505" / "metrics.json"
    data = json.loads(path.read_text())
    data["geometry"]["chamfer_cm"] = None
    data["views"]["standard"]["psnr"] = None
    path.write_text(json.dumps(data))
    frames = write_tables(run, PAPER)
    chosen = frames["geometry"].query("variant == 'full' and alignment == 'none'").set_index("subject")["chamfer_cm"]
    assert pd.isna(chosen["0505"]) and chosen["mean"] == pytest.approx(chosen["0506"])


def test_leftovers_of_an_earlier_configuration_do_not_count(tmp_path: Path) -> None:
    run = small_run(tmp_path, ["0505", "0506"], standin=True, source="standin")
    (tmp_path / "scans.tsv").write_text("scan\tsplit\tchunk\n0505\ttest\ttest000\n0506\ttrain\ttrain000\n")
    again = Run(tmp_path, {**run.config, "evaluate": {"variants": ["full"]}})
    assert [(s.variant, s.name) for s in again.subjects] == [("full", "0505")]


def test_numbers_on_other_data_never_pass_or_fail(tmp_path: Path) -> None:
    frame = write_tables(small_run(tmp_path, ["0505", "0506"], standin=True, source="standin"), PAPER)["paper_vs_ours"]
    assert list(frame.columns) == ["table", "row", "metric", "paper", "ours", "tolerance", "verdict"]
    assert set(frame["verdict"]) == {"other data set"} and frame["ours"].notna().any()


def test_some_scans_of_the_data_set_are_not_its_test_set(tmp_path: Path) -> None:
    run = small_run(tmp_path, PAPER_TEST[:4], standin=False, source="thuman2")
    assert run.dataset == "thuman2, other scans"
    assert set(write_tables(run, PAPER)["paper_vs_ours"]["verdict"]) == {"other data set"}


def test_the_papers_test_set_is_judged(tmp_path: Path) -> None:
    run = small_run(tmp_path, PAPER_TEST, standin=False, source="thuman2", lpips=0.09)
    assert run.dataset == "thuman2"
    frame = write_tables(run, PAPER)["paper_vs_ours"]
    ours = frame[(frame["table"] == 1) & frame["row"].str.contains("THuman")].set_index("metric")
    assert ours.loc["PSNR", "verdict"] == "pass"  # 23.1 against 23.54 ± 0.5
    assert ours.loc["LPIPS (standard)", "verdict"] == "fail" and ours.loc["LPIPS (released code)", "verdict"] == "pass"
    other = frame[frame["row"].str.contains("CustomHumans")]
    assert set(other["verdict"]) == {"other data set"}
    ablation = frame[frame["table"] == 4]
    assert (ablation["row"].str.startswith("without two-view") & (ablation["verdict"] == "not available")).any()


@pytest.mark.parametrize(("ours", "better", "wanted"), [
    (19.4, "higher", "pass"), (19.3, "higher", "fail"), (20.6, "lower", "pass"), (20.7, "lower", "fail"),
    (21.0, "higher", "better"), (19.0, "lower", "better"), (None, "lower", "not available"),
])
def test_verdicts(ours: float | None, better: str, wanted: str) -> None:
    assert verdict(20.0, ours, better, 0.6, same_data=True) == wanted
    assert verdict(20.0, ours, better, 0.6, same_data=False) == "other data set"


def test_the_papers_tables_are_whole_and_consistent() -> None:
    paper = read_paper(PAPER)
    assert [t["id"] for t in paper["tables"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(t["rows"]) for t in paper["tables"]] == [12, 4, 10, 5, 2, 12, 3]
    rows: list[dict[str, Any]] = [row for table in paper["tables"] for row in table["rows"]]
    for row in rows:
        assert row["dataset"] in paper["datasets"] and set(row["values"]) <= set(paper["metrics"])
        if "ours" in row:
            assert row["ours"]["table"] in TABLES
    first, fourth = paper["tables"][0]["rows"][5], paper["tables"][3]["rows"][4]
    assert {k: fourth["values"][k] for k in first["values"]} == first["values"]  # Table 4 ends in Table 1's HGM
    for row in paper["tables"][3]["rows"]:  # the misprint is a factor of ten
        text = row["printed"]["lpips"]
        assert row["values"]["lpips"] == pytest.approx(float(text) / (10_000 if "." not in text else 10))


def test_a_broken_paper_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text(yaml.safe_dump({"metrics": {}}))
    with pytest.raises(InputError, match=r"paper\.yaml"):
        read_paper(tmp_path / "paper.yaml")


def test_an_empty_run_gives_empty_tables(tmp_path: Path) -> None:
    frames = write_tables(Run(tmp_path, {}), PAPER)
    assert frames["nvs"].empty and frames["backview"].empty
    assert set(frames["paper_vs_ours"]["verdict"]) == {"other data set"}
    for name in TABLES:
        assert (tmp_path / "tables" / f"{name}.csv").read_text().count(",") > 3
