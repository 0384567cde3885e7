"""Files that are there whole or not at all."""

from hgm.core.files import remove_unfinished


def test_what_a_killed_write_left_goes_with_its_file(tmp_path):
    file, other = tmp_path / "[1].npz", tmp_path / "1.npz"
    for path in (file, other):
        path.touch()
        path.with_name(f".{path.name}.ab12cd34.part").touch()
    remove_unfinished(file)
    remove_unfinished(tmp_path / "nothing")
    assert {p.name for p in tmp_path.iterdir()} == {"1.npz", ".1.npz.ab12cd34.part"}
