import json
from pathlib import Path

import pytest
import torch

from hgm.diffusion.images import degrade
from hgm.diffusion.pairs import Pairs, make_pairs
from hgm.errors import InputError, ScanError
from hgm.views import load_image, save_image, view_path


def views(folder: Path, name: str, targets: range, size: int = 16) -> Path:
    for t in targets:
        save_image(view_path(folder / name, "rgb", t), torch.rand(3, size, size, generator=torch.Generator().manual_seed(t)))
    return folder / name


def test_pairs_of_every_azimuth(tmp_path: Path) -> None:
    scans = {name: views(tmp_path, name, range(12)) for name in ("b", "a")}
    coarse = torch.rand(3, 16, 16)
    asked = []

    def render(folder: Path, view: int) -> torch.Tensor:
        asked.append((folder.name, view))
        return coarse

    listing = make_pairs(scans, tmp_path / "pairs", render, factors=(2, 4, 8), targets=range(12))
    assert asked[:3] == [("a", 6), ("a", 7), ("a", 8)]  # the input lies opposite of the target
    assert [row["factor"] for row in listing["pairs"][:4]] == [2, 4, 8, 2]
    assert listing["pairs"][12]["factor"] == 4  # the next scan starts with the next factor
    assert json.loads((tmp_path / "pairs" / "pairs.json").read_text()) == listing
    pairs = Pairs.open(tmp_path / "pairs")
    assert len(pairs) == 24
    for i in (0, 1, 2, 17):
        scan, view = pairs.rows[i]
        assert torch.equal(pairs.target(i), load_image(view_path(scans[scan], "rgb", view)))
        torch.testing.assert_close(pairs.condition(i), degrade(coarse, listing["pairs"][i]["factor"]), atol=0.5 / 255 + 1e-6, rtol=0)
    assert (tmp_path / "pairs" / "a" / "condition.png").is_file()
    assert (tmp_path / "pairs" / "a" / "target_03.png").is_file()


def test_a_bad_scan_is_set_aside(tmp_path: Path) -> None:
    scans = {name: views(tmp_path, name, range(6, 7)) for name in ("good", "bad")}

    def render(folder: Path, view: int) -> torch.Tensor:
        if folder.name == "bad":
            raise ScanError("bad: no body")
        return torch.ones(3, 16, 16)

    listing = make_pairs(scans, tmp_path / "pairs", render)
    assert listing["set_aside"] == {"bad": "bad: no body"}
    assert [row["scan"] for row in listing["pairs"]] == ["good"]
    with pytest.raises(InputError, match="bad: no body"):
        make_pairs({"bad": scans["bad"]}, tmp_path / "none", render)


def test_a_render_of_another_size_is_refused(tmp_path: Path) -> None:
    scan = views(tmp_path, "a", range(6, 7))
    with pytest.raises(InputError, match="coarse render is"):
        make_pairs({"a": scan}, tmp_path / "pairs", lambda folder, view: torch.ones(3, 8, 8))


def test_missing_list_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make the pairs again"):
        Pairs.open(tmp_path)
