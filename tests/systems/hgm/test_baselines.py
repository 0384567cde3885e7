"""Other methods' results: small renders and a shifted mesh through the script that a run uses."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from checkouts import ROOT
from PIL import Image
from synthetic_scans import write_person

from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.core.job import Job
from hgm.errors import InputError
from hgm.images.viewpoints import of_the_rig
from hgm.images.views import load_views, save_image
from hgm.metrics.definitions import view_errors
from hgm.metrics.surfaces import CM_PER_UNIT
from hgm.report.bundle import paper_of
from hgm.scans.canonical import scan_to_nu
from hgm.scans.obj import load_obj
from hgm.standin.body import core
from hgm.systems.hgm.baselines import baseline_key, read_frame, read_renders, read_surface
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import write_tables
from hgm.workflow.configuration import parse, resolve

TEST = ("0000", "0001")


@pytest.fixture(scope="module")
def results(
    rendered: list[Path], model: BodyModel, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run whose two test subjects are rendered, and the scans it made."""
    folder = tmp_path_factory.mktemp("baselines") / "results"
    core.write_models(folder / "standin" / "models")
    for i, name in enumerate(TEST):
        write_person(folder / "standin", name, model, seed=i)
        shutil.copytree(rendered[i], folder / "views" / "test000" / name)
    (folder / "views" / "test000" / "manifest.json").write_text(
        json.dumps({"members": {n: n for n in TEST}, "failed": {}})
    )
    return folder


def mesh_of(results: Path, name: str, model: BodyModel) -> trimesh.Trimesh:
    """A scan in normalized units."""
    scan = results / "standin"
    obj = load_obj(scan / "THuman2.0_Release" / name / f"{name}.obj")
    place = scan_to_nu(
        load_fit(scan / "THuman2.0_Smpl_X_Paras" / name / "smplx_param.pkl", model), model
    )
    return trimesh.Trimesh(place.apply(obj.vertices), obj.faces, process=False)


def write_results(
    folder: Path, results: Path, name: str, model: BodyModel, noise: float = 0.1
) -> Path:
    """The true views with noise, and the true surface 3 cm to the left."""
    out = folder / name
    out.mkdir(parents=True)
    random = torch.Generator().manual_seed(1)
    for i, rgb in enumerate(load_views(results / "views" / "test000" / name).rgb):
        save_image(
            out / f"novel_{i:02d}.png", rgb + noise * torch.randn(rgb.shape, generator=random)
        )
    mesh = mesh_of(results, name, model)
    mesh.vertices += [3 / CM_PER_UNIT, 0, 0]
    mesh.export(out / "mesh.ply")
    return out


def measure(results: Path, folder: Path, method: str = "sith") -> dict:
    """The script's job, and its manifest."""
    spec = importlib.util.spec_from_file_location(
        "baseline_script", ROOT / "scripts/hgm/baseline.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    baselines = {method: str(folder)}
    plan = Plan(
        {
            "scans": {"train": "", "val": "", "test": "0000-0001"},
            "evaluate": {"surface_samples": 2000, "baselines": baselines},
        }
    )
    manifest = results / "baselines" / method / "test000.json"
    script.main(
        Job(
            "baseline",
            {"views": str(results / "views" / "test000" / "manifest.json")},
            {"manifest": str(manifest)},
            {
                **plan.params("seed", "weights"),
                "folder": str(folder),
                "evaluate": plan.measuring,
                "scans": plan.sources,
            },
            {"method": method, "chunk": "test000"},
            log=str(results / "logs" / "baseline.log"),
        )
    )
    return json.loads(manifest.read_text())


def numbers(results: Path, name: str, method: str = "sith") -> dict:
    return json.loads((results / "baselines" / method / name / "metrics.json").read_text())


def test_renders_and_a_shifted_mesh(results: Path, model: BodyModel, tmp_path: Path) -> None:
    for name in TEST:
        write_results(tmp_path / "theirs", results, name, model)
    assert set(measure(results, tmp_path / "theirs")["members"]) == set(TEST)
    found = numbers(results, "0000")
    truth = load_views(results / "views" / "test000" / "0000")
    seen = of_the_rig(64)
    theirs = read_renders(tmp_path / "theirs" / "0000", seen)
    assert found["views"] == json.loads(
        json.dumps(view_errors(theirs, truth.rgb, seen, None, mask=truth.mask))
    )
    # noise of 0.1, the half of it above white cut off
    assert 20 < found["views"]["standard"]["psnr"] < 24
    surface = found["geometry"]
    assert 0.5 < surface["chamfer_cm"] <= 3 and surface["p2s_cm"] <= 3
    assert (
        surface["chamfer_cm_icp"] < 0.1 < surface["chamfer_cm"]
        and surface["normal_consistency_icp"] > 0.99
    )
    for name in ("novel_00.png", "novel_06.png", "truth_06.png"):
        assert (results / "baselines" / "sith" / "0000" / name).is_file()


def test_a_frame_brings_a_mesh_into_place(results: Path, model: BodyModel, tmp_path: Path) -> None:
    """The scan itself, in its own units and turn, with the similarity that the reader of scans
    finds."""
    folder = tmp_path / "theirs" / "0001"
    scan = results / "standin"
    fit = load_fit(scan / "THuman2.0_Smpl_X_Paras" / "0001" / "smplx_param.pkl", model)
    transform = scan_to_nu(fit, model).transform
    scale = float(np.cbrt(np.linalg.det(transform[:3, :3])))
    folder.mkdir(parents=True)
    obj = load_obj(scan / "THuman2.0_Release" / "0001" / "0001.obj")
    trimesh.Trimesh(obj.vertices, obj.faces, process=False).export(folder / "mesh.obj")
    frame = {
        "scale": scale,
        "rotation": (transform[:3, :3] / scale).tolist(),
        "translation": transform[:3, 3].tolist(),
    }
    (folder / "frame.json").write_text(json.dumps(frame))
    outcome = measure(results, tmp_path / "theirs", "econ")
    found = numbers(results, "0001", "econ")
    assert (
        found["geometry"]["chamfer_cm"] < 0.05 and found["views"] is None and found["back"] is None
    )
    assert (
        list(outcome["members"]) == ["0001"]
        and "0000: no results of this subject" in outcome["failed"]["0000"]
    )


def test_a_lacking_subject_is_said_and_the_others_go_on(
    results: Path, model: BodyModel, tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    for name in TEST:
        write_results(folder, results, name, model)
    measure(results, folder, "gta")
    (folder / "0000" / "novel_09.png").unlink()
    outcome = measure(results, folder, "gta")
    assert (
        list(outcome["members"]) == ["0001"]
        and "novel_09.png: no such file" in outcome["failed"]["0000"]
    )
    for name in TEST:
        path = results / "subjects" / "full" / name / "metrics.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"standin": True, "variant": "full"}))
    run = Run(results, resolve({"evaluate": {"baselines": {"gta": str(folder)}}}))
    assert [s.name for s in run.rivals["gta"]] == ["0001"] and list(run.lacking["gta"]) == ["0000"]
    assert set(write_tables(run, paper_of("hgm"))["nvs"].query("method == 'gta'")["subject"]) == {
        "0001",
        "mean",
    }
    shutil.rmtree(folder)
    folder.mkdir()
    assert set(measure(results, folder, "gta")["failed"]) == set(TEST)
    with pytest.raises(InputError, match=r"evaluate\.baselines\.gta: .* is not a folder"):
        measure(results, folder / "none", "gta")


def test_pictures_of_other_kinds(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rgba = random.integers(0, 256, (32, 32, 4), np.uint8)
    for i in (0, 3, 6, 9):
        Image.fromarray(rgba).save(tmp_path / f"novel_{i:02d}.png")
    renders = read_renders(tmp_path, of_the_rig(16))
    x = rgba / 255.0
    over = x[..., :3] * x[..., 3:] + 1 - x[..., 3:]
    assert renders[3].movedim(0, -1).numpy() == pytest.approx(
        over.reshape(16, 2, 16, 2, 3).mean((1, 3)), abs=1e-5
    )
    assert bool((renders[1] == 1).all()) and read_renders(tmp_path / "none", of_the_rig(16)) is None
    Image.fromarray(rgba[:20]).save(tmp_path / "novel_06.png")
    with pytest.raises(InputError, match=r"novel_06\.png: is 32 x 20 pixels, expected a square"):
        read_renders(tmp_path, of_the_rig(16))


def two_meshes(folder: Path) -> None:
    for name in ("mesh.obj", "mesh.glb"):
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (two_meshes, "2 meshes, expected one"),
        (
            lambda f: (f / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
            r"mesh\.obj: not a readable mesh",
        ),
        (
            lambda f: (f / "mesh.ply").write_bytes(b"ply\nformat ascii 1.0\n"),
            r"mesh\.ply: not a readable mesh",
        ),
        (
            lambda f: (f / "mesh.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
            r"mesh\.obj: not a readable mesh",
        ),
    ],
)
def test_unusable_meshes(tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    assert read_surface(tmp_path) is None
    harm(tmp_path)
    with pytest.raises(InputError, match=message):
        read_surface(tmp_path)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([], "expected an object"),
        ({"size": 1}, "expected an object with rotation, scale, translation at most"),
        ({"scale": 0}, "scale must be positive"),
        ({"scale": "x"}, "scale must hold one finite"),
        ({"translation": [0, 0]}, r"translation must hold \[3\] finite"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "mirrors"),
        ({"rotation": [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}, "scales go into scale"),
        ({"rotation": [[1, 2], [3]]}, "rotation must hold"),
    ],
)
def test_unusable_frames(tmp_path: Path, frame: object, message: str) -> None:
    path = tmp_path / "frame.json"
    path.write_text(json.dumps(frame))
    with pytest.raises(InputError, match=message):
        read_frame(path)


def test_a_changed_file_changes_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results of this subject"):
        baseline_key(tmp_path, "0000")
    (tmp_path / "0000").mkdir()
    (tmp_path / "0000" / "mesh.obj").write_text("v 0 0 0\n")
    first = baseline_key(tmp_path, "0000", {"seed": 1})
    assert first != baseline_key(tmp_path, "0000", {"seed": 2})
    (tmp_path / "0000" / "mesh.obj").write_text("v 0 0 1\n")
    assert first != baseline_key(tmp_path, "0000", {"seed": 1})


@pytest.mark.parametrize("name", ["full", "copy_nearest", "a b", ""])
def test_names_that_no_baseline_may_have(name: str) -> None:
    with pytest.raises(InputError, match=r"^evaluate\.baselines"):
        parse({"evaluate": {"baselines": {name: "folder"}}})
