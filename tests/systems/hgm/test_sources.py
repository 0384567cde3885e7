"""Every data set through the stages that check scans and write their views."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_scans import (
    smpl_arrays,
    write_custom_humans,
    write_humman,
    write_person,
    write_view_folder,
)

from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.cli import main
from hgm.core.items import Outcome
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_views
from hgm.render.views import write_chunk
from hgm.scans.canonical import scan_to_nu
from hgm.scans.catalogue import Entry
from hgm.scans.data_source import CONTENTS, DataSource
from hgm.scans.dataset import check_scans
from hgm.scans.obj import load_obj
from hgm.scans.sources import find_scan
from hgm.standin.body.core import write_models
from hgm.systems.hgm.bodies import estimate_subject

HUMMAN = "p000455_a000986"
RENDERING = {"size": 48, "samples": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, model: BodyModel) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    (folder / "smpl").mkdir()
    np.savez(folder / "smpl" / "SMPL_NEUTRAL.npz", **smpl_arrays(BodyModel.load(folder, "neutral")))
    return folder


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory, model: BodyModel) -> dict[str, Path]:
    """One person in THuman2.1's folders and in those of CustomHumans."""
    root = tmp_path_factory.mktemp("scans")
    files = write_person(root / "made", "0600", model, seed=6)
    shutil.copytree(root / "made" / "THuman2.0_Release", root / "thuman21" / "model")
    shutil.copytree(root / "made" / "THuman2.0_Smpl_X_Paras", root / "thuman21" / "smplx")
    fit = load_fit(files.fit, model)
    texture = Image.open(files.obj.parent / "material0.jpeg")
    write_custom_humans(
        root / "customhumans", "0600", scan_to_nu(fit, model), load_obj(files.obj), fit, texture
    )
    return {name: root / name for name in ("thuman21", "customhumans")}


def entries(*names: str) -> list[Entry]:
    return [Entry(name, "test", "test000") for name in names]


@pytest.mark.parametrize("source", ["thuman21", "customhumans"])
def test_scans(source: str, scans: dict[str, Path], models: Path) -> None:
    place = DataSource(source, scans[source], models, "male")
    good, rejected = check_scans(entries("0600", "0601"), place)
    assert (
        [e.scan for e in good] == ["0600"]
        and list(rejected) == ["0601"]
        and "copy scan 0601 again" in rejected["0601"]
    )
    assert find_scan(source, scans[source], "0600") is not None


def test_the_fits_of_another_model_end_the_catalogue_in_one_line(
    scans: dict[str, Path], models: Path
) -> None:
    for source in scans:
        with pytest.raises(
            InputError,
            match=r"none of 1 scans can be used; first 0600: .*set scans\.gender to male",
        ) as caught:
            check_scans(entries("0600"), DataSource(source, scans[source], models, "neutral"))
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def multiview(tmp_path_factory: pytest.TempPathFactory, model: BodyModel) -> Path:
    """Three scans exported by the command: seen by the rig, from ten other sides, and from the
    front alone."""
    root = tmp_path_factory.mktemp("multiview")
    write_view_folder(root / "views" / "0001", model, orbit(size=64), seed=1)
    write_view_folder(
        root / "views" / "0002", model, orbit(10, size=64, start=8, elevation=12), seed=2
    )
    write_view_folder(root / "views" / "0003", model, orbit(12, size=64)[[0, 1, 2, 10, 11]], seed=3)
    folders = [str(root / "views" / name) for name in ("0001", "0002", "0003")]
    assert main(["export-views", *folders, "--out", str(root / "shared")]) == 0
    return root


def take(place: DataSource, out: Path, *names: str, code: str = "") -> Outcome:
    return write_chunk(place, names, out, RENDERING, workers=1, code=code, progress=print)


def test_given_views(multiview: Path, models: Path, model: BodyModel, tmp_path: Path) -> None:
    place = DataSource("views", multiview / "shared", models, "male")
    good, rejected = check_scans(entries("0001", "0002", "0003"), place)
    assert [e.scan for e in good] == ["0001", "0002"]
    assert (
        "no view of the back: view 2 is the nearest, 120 degrees from opposite of the front view 0"
        in rejected["0003"]
    )
    assert find_scan("views", place.root, "0001") is None
    result = take(place, tmp_path, "0001", "0004")
    assert list(result.members) == ["0001"] and "the views of 0004 are []" in result.failed["0004"]
    folder = tmp_path / "0001"
    views = load_views(folder, geometry=True)
    assert views.rgb.shape == (12, 3, 48, 48)
    assert Viewpoints.read(folder).measured == (0, 3, 6, 9)
    written = (folder / "cameras.json").stat().st_mtime_ns
    assert take(place, tmp_path, "0001").members == result.members
    assert (folder / "cameras.json").stat().st_mtime_ns == written
    (folder / "depth_03.png").unlink()
    take(place, tmp_path, "0001")
    assert (folder / "depth_03.png").is_file()
    assert take(place, tmp_path, "0001", code="other").members != result.members
    estimate_subject(folder, model, tmp_path / "estimate", seed=1, mpjpe_mm=80.0)


def test_cameras_of_given_views_stay_in_the_frame_of_their_body(
    multiview: Path, models: Path, tmp_path: Path
) -> None:
    """The first of the ten is neither straight ahead nor level, and its body comes with it."""
    take(DataSource("views", multiview / "shared", models, "male"), tmp_path, "0002")
    given, taken = (
        load_views(folder / "0002").cameras for folder in (multiview / "views", tmp_path)
    )
    assert torch.allclose(taken.world_to_camera, given.world_to_camera, atol=1e-6)
    assert torch.allclose(taken.K, given.resized(48).K)


def test_humman(models: Path, tmp_path: Path) -> None:
    place = DataSource("humman", tmp_path / "humman", models, "neutral")
    write_humman(place.root, HUMMAN, place.model, seed=5)
    good, rejected = check_scans(entries(HUMMAN, f"{HUMMAN}_000006"), place)
    assert [e.scan for e in good] == [HUMMAN] and "000006" in rejected[f"{HUMMAN}_000006"]
    assert list(take(place, tmp_path / "out", HUMMAN).members) == [HUMMAN]
    written = (tmp_path / "out" / HUMMAN / "cameras.json").stat().st_mtime_ns
    take(place, tmp_path / "out", HUMMAN)
    assert (tmp_path / "out" / HUMMAN / "cameras.json").stat().st_mtime_ns == written


def test_places_name_what_is_missing(tmp_path: Path) -> None:
    for source, holds in CONTENTS.items():
        scans = {"source": source, "root": None, "models": None, "gender": "male"}
        with pytest.raises(
            InputError, match=rf"scans\.root: {source} needs it; set the folder that holds {holds}"
        ):
            DataSource.of(scans, RunFolder(tmp_path))
        with pytest.raises(
            InputError, match=rf"nowhere is not a folder; expected the one that holds {holds}"
        ):
            DataSource.of({**scans, "root": str(tmp_path / "nowhere")}, RunFolder(tmp_path))
    place = DataSource.of(
        {"source": "standin", "root": None, "models": None, "gender": "male"}, RunFolder(tmp_path)
    )
    assert (place.root, place.models) == (tmp_path / "standin", tmp_path / "standin" / "models")
    with pytest.raises(InputError, match="no such body model"):
        _ = place.model
