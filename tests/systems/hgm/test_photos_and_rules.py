"""A photo by `hgm reconstruct` and a test subject by the rules take the same steps."""

import runpy
import shutil
from pathlib import Path

import pytest
import trimesh
from scipy.spatial import cKDTree
from untrained_run import write_untrained_run

from hgm.cli import main
from hgm.core.checkout import script_of
from hgm.core.items import outcome_in
from hgm.core.job import Job
from hgm.core.manifests import read_json, write_json
from hgm.images.photos.framing import FramedPerson
from hgm.images.views import load_image
from hgm.systems.hgm.variants import VARIANTS

NAME = "0000"
CHUNK = "test000"
VOXEL = 0.04  # of the untrained run


def by_the_rules(run: Path, views: Path, files: Path, variant: str) -> tuple[Path, Path]:
    """What the scripts of estimate, refine, reconstruct and mesh make of a view folder and of the
    body in a folder of an estimator's files: the folders of the body and of the subject."""
    config = {**read_json(run / "run.json")["config"], "device": "cpu", "code": "x"}
    seen = run / "views" / CHUNK
    shutil.copytree(views, seen / NAME, dirs_exist_ok=True)
    write_json(seen / "manifest.json", {"members": {NAME: "seen"}})
    first = run / "bodies/estimated" / f"{CHUNK}.json"
    refined = run / "bodies/refined" / f"{CHUNK}.json"
    made, meshed = (
        run / "subjects" / variant / f"{CHUNK}.{rule}.json" for rule in ("reconstruct", "mesh")
    )
    chosen = refined if VARIANTS[variant].refined else first
    coarse, fusion, normals = (
        str(run / name / "weights.safetensors") for name in ("coarse", "fusion", "normals")
    )
    back_view = [str(run / name / "manifest.json") for name in ("base", "controlnet")]
    given = {**config["estimate"], "source": "fits", "folder": str(files)}
    jobs = {
        "estimate": ({}, first, {"estimate": given, "source": "fits"}),
        "refine": ({"bodies": first, "coarse": coarse, "normals": normals}, refined, {}),
        "reconstruct": (
            {"bodies": chosen, "coarse": coarse, "fusion": fusion, "back_view": back_view},
            made,
            {},
        ),
        "mesh": ({"subjects": made, "normals": normals}, meshed, {}),
    }
    for rule, (inputs, manifest, params) in jobs.items():
        job = Job(
            rule,
            {"views": str(seen / "manifest.json"), **_texts(inputs)},
            {"manifest": str(manifest)},
            {**config, **params},
            wildcards={"variant": variant} if rule in ("reconstruct", "mesh") else {},
            log=str(run / f"logs/{rule}/{variant}.log"),
        )
        runpy.run_path(str(script_of(rule, "hgm")))["main"](job)
        assert set(outcome_in(manifest).members) == {NAME}
    return chosen.parent / NAME, made.parent / NAME


def _texts(inputs: dict[str, object]) -> dict[str, object]:
    return {name: str(x) if isinstance(x, Path) else x for name, x in inputs.items()}


@pytest.mark.parametrize("variant", ["full", "no_refine", "one_view"])
def test_a_photo_and_a_subject_of_one_picture_and_body_become_equal_files(
    rendered, tmp_path, monkeypatch, one_thread, variant
):
    run = write_untrained_run(tmp_path / "results/tiny")
    files = tmp_path / "photos"
    files.mkdir()
    shutil.copyfile(rendered[0] / "rgb_00.png", files / f"{NAME}.png")
    shutil.copyfile(rendered[0] / "smplx.npz", files / f"{NAME}.npz")
    body, subject = by_the_rules(run, rendered[0], files, variant)

    # a photo is cut out and centered anew, which the picture of a view is not
    picture, mask = (load_image(rendered[0] / f"{kind}_00.png") for kind in ("rgb", "mask"))
    person = FramedPerson(picture, mask, "the view's mask")
    monkeypatch.setattr("hgm.systems.hgm.photos.open_photo", lambda *given: person)
    words = [
        "reconstruct",
        files / f"{NAME}.png",
        "--run",
        run,
        "--out",
        tmp_path / "out",
    ]
    assert main([*map(str, words), "--variant", variant, "--device", "cpu"]) == 0
    photo = tmp_path / "out" / NAME

    def files_of(*folders: Path) -> dict[str, Path]:
        visible = (path for folder in folders for path in folder.glob("[!.]*"))
        return {path.name: path for path in visible}

    expected = files_of(body, subject)
    assert set(expected) == set(files_of(photo)) - {"mask.png", "metrics.json"}
    meshes = {"mesh.glb", "mesh.png"}
    for name in set(expected) - meshes:
        assert (photo / name).read_bytes() == expected[name].read_bytes(), name

    # the rule meshes the Gaussians of the file, whose numbers are rounded
    ours, theirs = (trimesh.load(f / "mesh.glb", force="mesh").vertices for f in (photo, subject))
    for a, b in ((ours, theirs), (theirs, ours)):
        assert cKDTree(a).query(b)[0].max() < 0.25 * VOXEL
