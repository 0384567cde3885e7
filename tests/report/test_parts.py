"""The parts of the page: what the viewer turns, the drawing of the rules, pictures, curves, costs,
sentences."""

import base64
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from bare_bodies import ten
from checkouts import ROOT
from PIL import Image

from hgm.export.spz import read_spz
from hgm.gaussians import Gaussians
from hgm.images.views import load_image, save_cameras, save_image
from hgm.mesh.conversion import colors_of
from hgm.mesh.io import load_mesh, save_mesh
from hgm.report.bundle import paper_of
from hgm.report.costs import costs, duration
from hgm.report.curves import binned, curve_svg, panels
from hgm.report.paper import read_paper
from hgm.report.pictures import Assets, error_map, read, read_depth, sheet
from hgm.report.rule_graph import Graph, columns, read_graph, workflow_svg
from hgm.report.speed import speeds
from hgm.report.viewer_data import Solid, gaussian_solid, mesh_solid, most_visible, share
from hgm.scans.settings import Scans
from hgm.systems.hgm.report.kid import back_view_kid
from hgm.systems.hgm.report.methods import methods
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.speed import measures
from hgm.systems.hgm.sections.bodies import FirstEstimate
from hgm.systems.hgm.variants import RENDER
from hgm.workflow.configuration import load, resolve

from .conftest import ball, person, write_jobs, write_times

PAPER = paper_of("hgm")


def unpacked(solid: Solid | None, kind: str) -> bytes:
    assert solid is not None
    match = re.fullmatch(
        rb'\(window\.hgmData\?\?=\{\}\)\.%s="([A-Za-z0-9+/=]+)";\n' % kind.encode(), solid.script
    )
    assert match is not None
    return base64.b64decode(match[1])


def test_gaussians_for_the_viewer_are_an_spz(tmp_path: Path) -> None:
    one = person(0, 50)
    one.save_ply(tmp_path / "gaussians.ply")
    solid = gaussian_solid(tmp_path / "gaussians.ply", 50)
    (tmp_path / "back.spz").write_bytes(unpacked(solid, "gaussians"))
    assert solid is not None and (solid.count, solid.total) == (50, 50)
    assert (read_spz(tmp_path / "back.spz").means - one.means).abs().max() < 2e-4
    (tmp_path / "broken.ply").write_bytes(b"ply")
    assert gaussian_solid(tmp_path / "broken.ply", 50) is None


def test_a_large_set_keeps_what_covers_most() -> None:
    many = person(0, 500)
    scales = many.scales.clone()
    opacities = many.opacities.clone()
    scales[:100] = 0.05
    opacities[400:] = 1e-4
    few = most_visible(Gaussians(many.means, opacities, scales, many.quats, many.colors), 100)
    assert torch.equal(few.means, many.means[:100])
    assert (
        len(most_visible(Gaussians(many.means, opacities, scales, many.quats, many.colors), 1000))
        == 400
    )


def test_a_mesh_for_the_viewer_is_the_file_or_a_coarser_one(tmp_path: Path) -> None:
    sphere = ball(5)
    save_mesh(tmp_path / "mesh.glb", sphere)
    whole = mesh_solid(tmp_path / "mesh.glb", 20480)
    assert whole is not None and whole.count == whole.total == len(sphere.faces) == 20480
    assert gzip.decompress(unpacked(whole, "mesh")) == (tmp_path / "mesh.glb").read_bytes()
    few = mesh_solid(tmp_path / "mesh.glb", 4000)
    assert few is not None and 2000 < few.count < 5000 and few.total == 20480
    (tmp_path / "few.glb").write_bytes(gzip.decompress(unpacked(few, "mesh")))
    coarse = load_mesh(tmp_path / "few.glb")
    radii = np.linalg.norm(coarse.vertices, axis=1)
    assert len(coarse.faces) == few.count and radii.min() > 0.48 and radii.max() < 0.51
    assert coarse.area == pytest.approx(sphere.area, rel=0.03)
    colors = colors_of(coarse)
    depth = coarse.vertices[:, 2]
    assert (colors[depth > 0.1, 0] > 150).all() and (colors[depth < -0.1, 2] > 150).all()
    (tmp_path / "broken.glb").write_bytes(b"glTF")
    assert mesh_solid(tmp_path / "broken.glb", 10) is None


def test_many_people_share_the_room() -> None:
    assert [share(n) for n in (0, 4, 100, 500, 10**6)] == [150_000, 150_000, 150_000, 30_000, 5_000]


def test_the_drawing_of_the_rules_leaves_out_what_follows(tmp_path: Path) -> None:
    write_jobs(tmp_path)
    (tmp_path / "broken.job.json").write_text("{")
    graph = read_graph(tmp_path)
    assert graph is not None and graph.jobs == {"a": 1, "b": 2, "c": 1, "d": 1}
    assert graph.arrows == [("a", "b"), ("b", "d"), ("c", "d")]
    table, ways = columns(graph)
    assert [set(column) for column in table] == [{"a"}, {"b", "c"}, {"d"}] and ["a", "b"] in ways
    svg = workflow_svg(graph)
    assert (
        svg.count("<rect") == 4
        and svg.count('class="arrow"') == 3
        and "2 jobs" in svg
        and "a to b" in svg
    )
    assert read_graph(tmp_path / "nowhere") is None


def test_a_way_over_a_column_keeps_a_place_of_its_own() -> None:
    table, _ = columns(
        Graph(dict.fromkeys("abcx", 1), [("a", "b"), ("b", "c"), ("a", "x"), ("x", "c")])
    )
    assert [len(column) for column in table] == [1, 2, 1]
    long = columns(
        Graph(
            dict.fromkeys("abcdx", 1), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "x"), ("x", "d")]
        )
    )
    assert sorted(map(len, long[1])) == [2, 2, 2, 2, 3] and all(
        len(column) <= 2 for column in long[0]
    )
    circle = columns(Graph(dict.fromkeys("ab", 1), [("a", "b"), ("b", "a")]))
    assert sum(1 for column in circle[0] for name in column if name in "ab") == 2


def test_pictures_are_stored_once_and_broken_ones_are_none(tmp_path: Path) -> None:
    assets = Assets(tmp_path)
    small = np.full((20, 30, 3), 7, np.uint8)
    large = np.zeros((400, 400, 3), np.uint8)
    a = assets.picture(small)
    b = assets.picture(small.copy())
    assert a == b and a.path.endswith(".png") and (a.width, a.height) == (30, 20)
    assert (
        assets.picture(large).path.endswith(".jpg")
        and len(list((tmp_path / "assets").iterdir())) == 2
    )
    (tmp_path / "x.png").write_bytes(b"nothing")
    assert (
        read(tmp_path / "x.png") is None
        and read(None) is None
        and read_depth(tmp_path / "x.png") is None
    )
    Image.fromarray(np.dstack([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)])).save(
        tmp_path / "clear.png"
    )
    clear = read(tmp_path / "clear.png")
    assert clear is not None and (clear == 255).all()
    (tmp_path / "big.bin").write_bytes(bytes(100))
    assert assets.file(tmp_path / "big.bin", limit=10) is None


def test_error_map_and_sheet() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    white = np.full((8, 8, 3), 255, np.uint8)
    none = error_map(black, black)
    full = error_map(black, white)
    assert none is not None and full is not None and none.max() < 5 and full.min() > 150
    assert error_map(black, None) is None and error_map(black, white[:4]) is None
    page = sheet([[black, None], [white, black]], cell=16, gap=2)
    assert page is not None and page.shape == (34, 34, 3)
    assert page[:16, :16].max() == 0 and page[:16, 18:].min() == 255 and page[18:, 18:].max() == 0
    assert sheet([[None]]) is None


def test_curves_use_the_pages_colors_and_repeat() -> None:
    history = [
        {"step": float(s), "loss": 1 / s, "merged_rgb": 0.1, "unet_rgb": 0.2, "lr": 1.0}
        for s in range(1, 1001)
    ]
    history[-1]["validation_psnr"] = 20.0
    assert panels(history) == [
        ("loss", ["loss"]),
        ("rgb", ["merged_rgb", "unet_rgb"]),
        ("validation PSNR (dB)", ["validation_psnr"]),
    ]
    one, two = (curve_svg(history, "coarse", "loss", ["loss"]) for _ in range(2))
    assert (
        one is not None
        and one == two
        and one.startswith("<svg")
        and one.rstrip().endswith("</svg>")
    )
    assert 'role="img"' in one and 'aria-label="coarse loss"' in one
    assert (
        "var(--series-0)" in one
        and "var(--muted)" in one
        and "http" not in one
        and len(one) < 40_000
    )
    # one point is no curve
    assert curve_svg(history, "coarse", "validation", ["validation_psnr"]) is None
    steps, mean, low, high = binned(np.arange(1000.0), np.arange(1000.0) % 10, 50)
    assert len(steps) == 50 and np.allclose(mean, 4.5) and low.max() == 0 and high.min() == 9


def test_costs_are_summed_by_rule_in_the_order_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "render").mkdir()
    for i, seconds in enumerate((10.0, 30.0)):
        row = {"s": seconds, "max_rss": 100.0 + i, "cpu_time": "NA"}
        (tmp_path / "render" / f"train00{i}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "catalogue.jsonl").write_text(json.dumps({"s": 1.0}) + "\n")
    assert [row.rule for row in costs(tmp_path, ["render", "catalogue"])] == ["render", "catalogue"]
    first, second = costs(tmp_path)
    assert (first.rule, first.memory_mb) == ("catalogue", None)
    assert (second.rule, second.jobs, second.seconds, second.longest) == ("render", 2, 40.0, 30.0)
    assert second.memory_mb == 101.0 and second.cpu_seconds is None
    assert [duration(x) for x in (None, 8.21, 185, 8040)] == [
        "–",
        "8.2 s",
        "3 min 05 s",
        "2 h 14 min",
    ]


def test_speed_stands_beside_the_papers(tmp_path: Path) -> None:
    paper = read_paper(PAPER)["speed"]
    assert speeds(measures(tmp_path, "full"), paper) == []
    write_times(tmp_path)
    found = {row.what: row for row in speeds(measures(tmp_path, "full"), paper)}
    fast = found["Rendering of the result"]
    assert fast.paper.startswith("300 frames/s") and fast.ours == "101 frames/s at 192 px"
    person = found["One person, all stages below"]
    assert person.paper.startswith("90 s") and person.ours == "60 s"  # 21 + 2 + 3.5 + 2.5 + 31
    assert found["Mesh"].paper == "–" and found["Mesh"].ours == "31 s"
    shutil.rmtree(tmp_path / "mesh")
    (tmp_path / "refine" / "test000.members.json").write_text("{")
    found = {row.what: row for row in speeds(measures(tmp_path, "full"), paper)}
    assert (
        found["One person, all stages below"].ours == found["Mesh"].ours == "–"
        and found["Body refined"].ours == "21.5 s"
    )


def test_methods_follow_the_configuration(tmp_path: Path) -> None:
    demo = " ".join(methods(Run(tmp_path, resolve({}))))
    assert (
        "stand-in humans" in demo
        and f"{resolve({})['coarse']['steps']} steps" in demo
        and "stands in for LPIPS" in demo
    )
    assert "LPIPS and KID are not available" in demo and "small latent diffusion" in demo
    real = {
        "scans": {"source": "thuman2"},
        "weights": {"vgg16": "v", "lpips": "l", "inception": "i"},
        "base": {"folder": "sd"},
        "coarse": {"steps": 37500},
        "estimate": {"source": "fits", "folder": "x"},
    }
    text = " ".join(methods(Run(tmp_path, resolve(real))))
    assert (
        "THuman2.0" in text
        and "37,500 steps" in text
        and "× LPIPS" in text
        and "not available" not in text
    )
    assert "stand-in" not in text and "were given as files" in text and "{" not in text
    assert methods(Run(tmp_path, {})) == []


def backends(run: Path, **names: list[str]) -> None:
    """Write down what a job worked with."""
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text(json.dumps({"stage": "x", "backends": names}))


def test_methods_state_what_splatted_and_convolved(tmp_path: Path) -> None:
    config = resolve({"evaluate": {"variants": ["full", "no_body"]}})
    (tmp_path / "scans.tsv").write_text(
        "scan\tsplit\tchunk\n0505\ttest\ttest000\n0506\ttest\ttest001\n"
    )
    assert "Splatting" not in " ".join(methods(Run(tmp_path, config)))
    backends(tmp_path / "coarse" / "training.json", splat=["numba"], sparse=["torch"])
    backends(tmp_path / "subjects" / "full" / "test000.evaluate.json", splat=["numba"])
    # left by another configuration: a variant, a chunk and bodies that this one has not
    for name in (
        "subjects/one_view/test000.mesh.json",
        "subjects/full/test002.mesh.json",
        "bodies/refined_front_only/test000.json",
    ):
        backends(tmp_path / name, splat=["torch"])
    assert (
        methods(Run(tmp_path, config))[-1] == "Splatting: numba; sparse convolution: plain torch."
    )


def test_methods_say_which_rules_worked_with_what(tmp_path: Path) -> None:
    config = resolve({"evaluate": {"variants": ["full", "no_body"]}})
    (tmp_path / "scans.tsv").write_text("scan\tsplit\tchunk\n0505\ttest\ttest000\n")
    backends(tmp_path / "coarse" / "training.json", splat=["gsplat", "torch"], sparse=["spconv"])
    backends(tmp_path / "fusion_no_body" / "training.json", splat=["gsplat"])
    backends(tmp_path / "bodies" / "refined" / "test000.json", splat=["gsplat"], sparse=["spconv"])
    backends(tmp_path / "subjects" / "no_body" / "test000.evaluate.json", splat=["numba"])
    backends(tmp_path / "pairs" / "manifest.json", splat="numba")  # type: ignore[arg-type]  # damaged: no list
    (tmp_path / "normals").mkdir()
    (tmp_path / "normals" / "training.json").write_text("[")
    assert methods(Run(tmp_path, config))[-1] == (
        "Splatting: gsplat (coarse, fusion, refine) and plain torch (coarse) and numba "
        "(evaluate); sparse convolution: spconv."
    )


def test_every_sentence_of_the_methods_is_there(tmp_path: Path) -> None:
    """A key that no section has would be an error, not a sentence less."""
    demo = resolve({})
    text = " ".join(methods(Run(tmp_path, demo)))
    assert (
        "refined for 45 iterations against silhouettes of 64, then 128 px, with the coarse model "
        "run again every 15" in text
    )
    assert (
        "60 % were unconverged renders" in text and "jitter" not in text and "distorted" not in text
    )
    assert "without the body." in text and "normals that a net reads" not in text
    paper = load(ROOT / "config/hgm/thuman2.yaml").model_dump()
    text = " ".join(methods(Run(tmp_path, paper)))
    assert (
        "silhouettes of 512 px and the normals that a net reads" in text
        and "with the body as it was then" in text
    )
    assert (
        "Its back views were the true ones; 50 % were distorted and 50 % came with the rays of a "
        "jittered camera." in text
    )
    for section, keys in demo.items():
        # without a section its sentences are left out, without a key nothing is
        if isinstance(keys, dict):
            assert methods(Run(tmp_path, {k: v for k, v in demo.items() if k != section}))
    for section, model in (("scans", Scans), ("estimate", FirstEstimate)):
        for source in get_args(model.model_fields["source"].annotation):
            assert methods(Run(tmp_path, {**demo, section: {**demo[section], "source": source}}))
    with pytest.raises(KeyError, match="every"):
        methods(
            Run(
                tmp_path,
                {**demo, "refine": {k: v for k, v in demo["refine"].items() if k != "every"}},
            )
        )


def test_kid_without_weights_is_not_a_number(finished: tuple[Path, dict[str, object]]) -> None:
    run = Run(finished[0], {})
    assert set(back_view_kid(run, None)) == {*run.variants, *(v + RENDER for v in run.variants)}
    assert not any(back_view_kid(run, None).values())


def test_kid_is_of_the_pictures_of_the_back_and_of_the_renders(
    finished: tuple[Path, dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(finished[0], {})
    seen = []
    monkeypatch.setattr("hgm.systems.hgm.report.kid.load_inception", lambda weights: object())
    monkeypatch.setattr(
        "hgm.systems.hgm.report.kid.kid_of_images",
        lambda ours, truth, network, **more: seen.append((ours, truth)),
    )
    order = list(back_view_kid(run, "given"))
    for name, file in (("full", "back.png"), ("full" + RENDER, "novel_06.png")):
        ours, truth = seen[order.index(name)]
        assert torch.equal(ours, torch.stack([load_image(s.folder / file) for s in run.of("full")]))
        assert torch.equal(
            truth, torch.stack([load_image(s.folder / "truth_06.png") for s in run.of("full")])
        )


def test_pictures_are_found_where_their_cameras_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten views, the back is number 2; without cameras nothing is taken for anything."""
    folder = tmp_path / "subjects" / "full" / "p000455_a000986"
    for name in ("back", *(f"{kind}_{i:02d}" for kind in ("novel", "truth") for i in range(10))):
        save_image(folder / f"{name}.png", torch.rand(3, 8, 8))
    save_cameras(folder, ten(8))
    (folder / "metrics.json").write_text("{}")
    (folder / "gaussians.ply").touch()
    seen: list[torch.Tensor] = []
    monkeypatch.setattr("hgm.systems.hgm.report.kid.load_inception", lambda weights: object())
    monkeypatch.setattr(
        "hgm.systems.hgm.report.kid.kid_of_images",
        lambda ours, truth, network, **more: seen.extend((ours[0], truth[0])),
    )
    back_view_kid(Run(tmp_path, {}), "given")
    expected = [
        load_image(folder / f"{name}.png") for name in ("back", "truth_02", "novel_02", "truth_02")
    ]
    assert len(seen) == 4 and all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))
    subject = Run(tmp_path, {}).main[0]
    assert [p.name for p in subject.views("novel")] == [f"novel_{i:02d}.png" for i in range(10)]
    assert "every view but the input's own" in " ".join(methods(Run(tmp_path, resolve({}))))
    (folder / "cameras.json").unlink()
    subject = Run(tmp_path, {}).main[0]
    assert subject.views("novel") == [] and subject.back("truth") is None
    assert not any(back_view_kid(Run(tmp_path, {}), "given").values())
