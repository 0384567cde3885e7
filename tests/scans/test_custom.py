"""CustomHumans' folders, and one clothed stand-in through every layout."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_scans import write_custom_humans, write_view_folder
from trimesh.caching import tracked_array

from hgm.body.canonical import canonical
from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.core.pickles import load_pickle
from hgm.errors import InputError, ScanError
from hgm.images.views import load_cameras
from hgm.scans.canonical import scan_to_nu
from hgm.scans.check import check_fit
from hgm.scans.custom import locate_custom
from hgm.scans.multiview import MultiviewScan, export_views
from hgm.scans.obj import load_obj
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles, locate
from hgm.standin import make_scan, write_scan


@pytest.fixture(scope="module")
def dressed(tmp_path_factory: pytest.TempPathFactory) -> ScanFiles:
    """A clothed stand-in with a texture of 256 pixels, in THuman2.0's layout."""
    root = tmp_path_factory.mktemp("dressed")
    write_scan(root, "0007", make_scan(7, 256))
    return locate(root, "0007")


@pytest.fixture(scope="module")
def custom(dressed: ScanFiles, male: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("custom")
    fit = load_fit(dressed.fit, male)
    texture = Image.open(dressed.obj.parent / "material0.jpeg")
    write_custom_humans(root, "0007", scan_to_nu(fit, male), load_obj(dressed.obj), fit, texture)
    return root


def fit_of_2024(dressed: ScanFiles, male: BodyModel, path: Path) -> Path:
    """The same fit as THuman2.1 publishes it: transl before scaling, hands as rotations, scale of
    trimesh's array class."""
    data = load_pickle(dressed.fit)
    hands = {
        key: (data[key] @ male.hand_bases[i, :12].numpy())
        for i, key in enumerate(("left_hand_pose", "right_hand_pose"))
    }
    transl = np.asarray(data.pop("translation"), np.float64).reshape(1, 3) / data["scale"]
    scale = tracked_array(np.asarray(data["scale"], np.float64))
    path.write_bytes(pickle.dumps({**data, **hands, "transl": transl, "scale": scale}))
    return path


def test_one_scan_in_every_layout(
    dressed: ScanFiles, custom: Path, male: BodyModel, tmp_path: Path
) -> None:
    """THuman2.0's, THuman2.1's and CustomHumans' files give the same vertices; HGM's give the same
    cameras and body."""
    there = locate_custom(custom, "0007")
    assert there.obj.name == "mesh-f00101.obj" and there.fit.name == "mesh-f00101.json"
    placed = {}
    later = ScanFiles(
        "0007", dressed.obj, fit_of_2024(dressed, male, tmp_path / "smplx_param.2024")
    )
    for files in (dressed, later, there):
        checked = preflight(files)
        scan = scan_to_nu(load_fit(files.fit, male), male)
        quality = check_fit(checked.mesh, scan, files.fit)
        assert quality.shared > 0.7 and quality.outside < 0.02
        placed[files.fit.suffix] = scan.apply(checked.mesh.vertices)
    np.testing.assert_allclose(placed[".2024"], placed[".pkl"], atol=1e-5)
    np.testing.assert_allclose(placed[".json"], placed[".pkl"], atol=1e-5)
    folder = write_view_folder(tmp_path / "0007", male, orbit(size=48), seed=7)
    export_views(folder, tmp_path / "out", "0007")
    again = MultiviewScan(tmp_path / "out", "0007", male)
    expected = load_cameras(folder)
    assert torch.equal(again.cameras.K.float(), expected.K)
    assert torch.equal(again.cameras.world_to_camera.float(), expected.world_to_camera)
    body = canonical(male, again.placed_body.params)
    assert (body.vertices - again.placed_body.body.vertices).abs().max() < 1e-5


def test_the_prepared_training_set(custom: Path, tmp_path: Path) -> None:
    """tools/prepare_dataset.py puts mesh, texture, fit and body of a scan into one folder."""
    for kind in ("mesh", "smplx"):
        shutil.copytree(custom / kind / "0007_subject", tmp_path / "0007", dirs_exist_ok=True)
    files = locate_custom(tmp_path, "0007")
    assert (
        files.obj.parent == files.fit.parent == tmp_path / "0007"
        and files.obj.name == "mesh-f00101.obj"
    )


def test_what_is_missing_is_named(custom: Path, tmp_path: Path) -> None:
    root = shutil.copytree(custom, tmp_path / "root")
    with pytest.raises(ScanError, match=r"mesh/0008: no such folder; copy scan 0008 again$"):
        locate_custom(root, "0008")
    (root / "mesh" / "0007_subject" / "mesh-f00102.obj").write_bytes(b"")
    with pytest.raises(ScanError, match=r"0007_subject: 2 files mesh-f….obj, expected one$"):
        locate_custom(root, "0007")
    (root / "mesh" / "0007_subject" / "mesh-f00102.obj").unlink()
    (root / "smplx" / "0007_subject" / "mesh-f00101.json").unlink()
    with pytest.raises(
        ScanError,
        match=r"mesh-f00101\.json: no such file, nor [^\n]*the fit of scan 0007 is needed$",
    ):
        locate_custom(root, "0007")
    with pytest.raises(InputError, match="no scans; expected mesh/0003"):
        locate_custom(tmp_path / "nothing", "0007")
