"""Which photos are meant, and what lies beside them."""

from pathlib import Path

import pytest

from hgm.errors import InputError
from hgm.images.photos.sources import Photo, find_photos


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in (
        "b.JPG",
        "a.png",
        "a_mask.png",
        "a.npz",
        "c_mask.png",
        "notes.txt",
        ".hidden.png",
        "more/a.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_with_masks_and_bodies_beside_the_photos(folder):
    found = find_photos([folder])
    # a mask of nothing is a photo
    assert found == [
        Photo("a", folder / "a.png", folder / "a_mask.png", folder / "a.npz"),
        Photo("b", folder / "b.JPG"),
        Photo("c_mask", folder / "c_mask.png"),
    ]
    assert found[0].files == [folder / "a.png", folder / "a_mask.png", folder / "a.npz"]


def test_files_keep_their_order_and_masks_among_them_are_left_out(folder):
    found = find_photos(
        [folder / "b.JPG", folder / "a_mask.png", folder / "gone.png", folder / "a.png"]
    )
    assert [photo.name for photo in found] == ["b", "gone", "a"]


def test_equal_stems_get_names_of_their_own(folder):
    assert [p.name for p in find_photos([folder / "a.png", folder / "more"])] == ["a", "a_2"]


def test_given_masks_and_bodies_go_by_order(folder):
    found = find_photos(
        [folder / "b.JPG", folder / "a.png"],
        masks=[Path("x"), Path("y")],
        bodies=[Path("u"), Path("v")],
    )
    assert [(p.mask, p.body) for p in found] == [(Path("x"), Path("u")), (Path("y"), Path("v"))]
    for option, given in (("--mask", {"masks": [Path("x")]}), ("--body", {"bodies": [Path("x")]})):
        with pytest.raises(InputError, match=f"{option}: 1 given for 2 photos"):
            find_photos([folder / "b.JPG", folder / "a.png"], **given)


def test_a_folder_without_photos(tmp_path):
    with pytest.raises(InputError, match=r"no photo in this folder; expected .*png"):
        find_photos([tmp_path])


def test_finding_photos_needs_no_heavy_import():
    import subprocess
    import sys

    code = (
        "import sys, hgm.images.photos.sources; print(sorted({'torch', 'numpy', 'PIL', 'scipy'} & "
        "set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
