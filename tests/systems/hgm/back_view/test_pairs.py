import json
from pathlib import Path

import pytest
import torch

from hgm.cameras import Cameras, orbit
from hgm.errors import InputError, ScanError
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, save_cameras, save_image, view_path
from hgm.systems.hgm.back_view.images import degrade
from hgm.systems.hgm.back_view.pairs import Pairs, make_pairs


def views(folder: Path, name: str, *, rig: Cameras, size: int = 16) -> Path:
    """The pictures of the front and the back in a view folder."""
    place = folder / name
    for view in range(len(rig)):
        save_image(
            view_path(place, "rgb", view),
            torch.rand(3, size, size, generator=torch.Generator().manual_seed(view)),
        )
    save_cameras(place, rig)
    return place


def test_pairs_of_the_backs(tmp_path: Path) -> None:
    """Whatever the number of the view behind the person is."""
    rigs = {
        "a": orbit(size=16),
        "b": orbit(10, size=16),
        "c": orbit(8, size=16, start=180),
        "d": orbit(4, size=16),
    }
    scans = {
        name: views(tmp_path, name, rig=rig) for name, rig in sorted(rigs.items(), reverse=True)
    }
    coarse = torch.rand(3, 16, 16)
    alpha = torch.rand(1, 16, 16)
    asked = []

    def render(folder: Path, seen: Viewpoints) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append((folder.name, seen.front, seen.back))
        return coarse, alpha

    listing = make_pairs(scans, tmp_path / "pairs", render, factors=(2, 4, 8))
    assert asked == [("a", 0, 6), ("b", 0, 5), ("c", 4, 0), ("d", 0, 2)]
    assert [row["factor"] for row in listing["pairs"]] == [2, 4, 8, 2]
    assert json.loads((tmp_path / "pairs" / "pairs.json").read_text()) == listing
    pairs = Pairs.open(tmp_path / "pairs")
    assert pairs.scans == ("a", "b", "c", "d") and len(pairs) == 4
    for i, (scan, _, back) in enumerate(asked):
        assert torch.equal(pairs.target(i), load_image(view_path(scans[scan], "rgb", back)))
        torch.testing.assert_close(
            pairs.condition(i),
            degrade(coarse, listing["pairs"][i]["factor"]),
            atol=0.5 / 255 + 1e-6,
            rtol=0,
        )
        covered = load_image(tmp_path / "pairs" / scan / "mask.png")
        torch.testing.assert_close(covered, alpha, atol=0.5 / 255 + 1e-6, rtol=0)
    mirrored = Pairs.open(tmp_path / "pairs", mirror=True)
    assert len(mirrored) == 8
    for i in range(4):
        assert torch.equal(mirrored.target(i), pairs.target(i))
        assert torch.equal(mirrored.target(4 + i), pairs.target(i).flip(-1))
        assert torch.equal(mirrored.condition(4 + i), pairs.condition(i).flip(-1))


def test_a_bad_scan_is_set_aside(tmp_path: Path) -> None:
    scans = {name: views(tmp_path, name, rig=orbit(4, size=16)) for name in ("good", "bad")}

    def render(folder: Path, seen: Viewpoints) -> tuple[torch.Tensor, torch.Tensor]:
        if folder.name == "bad":
            raise ScanError("bad: no body")
        return torch.ones(3, 16, 16), torch.ones(1, 16, 16)

    listing = make_pairs(scans, tmp_path / "pairs", render, factors=[2])
    assert listing["set_aside"] == {"bad": "bad: no body"}
    assert [row["scan"] for row in listing["pairs"]] == ["good"]
    with pytest.raises(InputError, match="bad: no body"):
        make_pairs({"bad": scans["bad"]}, tmp_path / "none", render, factors=[2])


def test_a_render_of_another_size_is_refused(tmp_path: Path) -> None:
    scan = views(tmp_path, "a", rig=orbit(4, size=16))
    with pytest.raises(InputError, match="coarse render is"):
        make_pairs(
            {"a": scan},
            tmp_path / "pairs",
            lambda folder, seen: (torch.ones(3, 8, 8), torch.ones(1, 8, 8)),
            factors=[2],
        )


def test_missing_list_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make the pairs again"):
        Pairs.open(tmp_path)
