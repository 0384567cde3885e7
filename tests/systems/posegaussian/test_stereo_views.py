"""Rendered pairs: what the cameras must see by ray casting, and pairs done once."""

import numpy as np
import pytest
import torch

from hgm.body.fits import load_fit
from hgm.geometry.rays import RayMesh
from hgm.scans.data_source import DataSource
from hgm.scans.preflight import preflight
from hgm.scans.thuman import locate
from hgm.systems.posegaussian.hard import HardStandin
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.rig import placed
from hgm.systems.posegaussian.settings import Pairs
from hgm.systems.posegaussian.stereo_views import render_pairs

PAIR = "0000_000"


def seen_by(files: PairFiles, view: int, mesh: RayMesh, size: int) -> np.ndarray:
    """Planar depth [S, S] of a mesh at the centers of a view's pixels, infinite beside it."""
    K, w2c = files.camera(view)
    y, x = np.indices((size, size)) + 0.5
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], -1)
    rays = rays @ w2c[:3, :3]
    origin = np.linalg.inv(w2c)[:3, 3]
    return mesh.distances(np.broadcast_to(origin, rays.shape), rays)


def test_photos_and_depth_are_what_rays_see(rendered, place):
    mesh = preflight(locate(place.root, "0000")).mesh
    transform = placed(mesh.vertices, 0, "0000")
    rays = RayMesh(mesh.vertices @ transform[:3, :3].T + transform[:3, 3], mesh.faces)
    files = PairFiles(rendered, PAIR)
    for view in range(5):
        rgb, mask = files.picture(view)
        z = seen_by(files, view, rays, len(mask))
        hit = np.isfinite(z)
        q = files.inverse_depth(view)
        assert ((q > 0) == hit).mean() > 0.9995
        both = (q > 0) & hit
        assert np.median(np.abs(q[both] * z[both] - 1)) < 1e-4
        assert ((mask > 127) == hit).mean() > 0.99
        assert rgb[mask > 127].mean() > 40 and (rgb[mask == 0] == 0).all()
    large = files.large_picture(3)
    small = large.reshape(192, 2, 192, 2, 3).mean((1, 3))
    assert np.abs(small - files.picture(3)[0]).mean() < 1.5


def test_keypoints_are_those_of_the_fit_in_the_world_of_the_pair(rendered, place):
    fit = load_fit(locate(place.root, "0000").fit, place.model)
    with torch.no_grad():
        body = place.model(fit.params)
    mesh = preflight(locate(place.root, "0000")).mesh
    transform = placed(mesh.vertices, 0, "0000")
    points = PairFiles(rendered, PAIR).keypoints()
    wrists = fit.to_scan(body.joints.double()).numpy()[[20, 21]]
    assert np.allclose(points[[9, 10]], wrists @ transform[:3, :3].T + transform[:3, 3], atol=1e-5)
    surface = mesh.vertices @ transform[:3, :3].T + transform[:3, 3]
    nearest = np.linalg.norm(surface[None] - points[:5, None], axis=-1).min(1)
    assert nearest.max() < 1e-3  # nose and ears are on the scan, which is the body itself


def test_pairs_are_done_once_and_a_bad_scan_costs_itself_only(place, tmp_path):
    bad = tmp_path / "people/THuman2.0_Release/0001"
    bad.mkdir(parents=True)
    for kind in ("THuman2.0_Release", "THuman2.0_Smpl_X_Paras"):
        (bad.parent.parent / kind).mkdir(exist_ok=True)
        (bad.parent.parent / kind / "0000").symlink_to(place.root / kind / "0000")
    (bad / "0001.obj").write_text("no mesh")
    (bad.parent.parent / "THuman2.0_Smpl_X_Paras/0001").symlink_to(
        place.root / "THuman2.0_Smpl_X_Paras/0000"
    )
    people = DataSource("thuman2", bad.parent.parent, place.models, "male")
    out = tmp_path / "render_data"
    stale = PairFiles(out / "test-d45", "0000-d45_001").image(0)
    stale.parent.mkdir(parents=True)
    stale.write_text("of a run with more pairs")

    def render():
        pairs = Pairs(size=32, per_scan=1, samples=1, degrees=45.0)
        return render_pairs(
            people, ["0000", "0001"], "test000-d45", out, pairs, seed=0, workers=1, code=""
        )

    done = render()
    assert list(done.members) == ["0000-d45_000"]
    assert list(done.failed) == ["0001-d45"] and "0001.obj" in done.failed["0001-d45"]
    assert not stale.exists()
    files = PairFiles(out / "test-d45", "0000-d45_000")
    written = {path: path.stat().st_mtime_ns for path in files.files()}
    assert len(written) == 5 + 3 + 5 + 5 + 10 + 1
    assert render().members == done.members
    assert {path: path.stat().st_mtime_ns for path in written} == written
    before = files.large_image(4).read_bytes()
    files.large_image(4).write_bytes(before[:100])  # cut short
    render()
    assert files.large_image(4).read_bytes() == before


@pytest.mark.parametrize("scan", ["0505", "0506"])
def test_hands_of_hard_standins_are_before_the_body(scan):
    person = HardStandin.of(scan, 128)
    nose, shoulders, wrists = (person.keypoints[i] for i in (0, [5, 6], [9, 10]))
    assert nose[2] > shoulders[:, 2].mean()  # it faces +z
    hips = person.keypoints[[11, 12]]
    for wrist in wrists:
        assert wrist[2] > max(shoulders[:, 2].max(), hips[:, 2].max()) + 0.1
        assert abs(wrist[0]) < np.abs(shoulders[:, 0]).max() + 0.1
        assert hips[:, 1].mean() < wrist[1] < nose[1]
