"""The parts of the page: packed Gaussians, pictures, curves, costs, sentences."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.config import Coarse, resolve
from hgm.gaussians import Gaussians, rotation_matrices
from hgm.report.costs import costs, duration
from hgm.report.curves import binned, curve_svg, panels
from hgm.report.methods import methods
from hgm.report.pictures import Assets, error_map, read, read_depth, sheet
from hgm.report.run import Run
from hgm.report.sets import back_view_kid
from hgm.report.splats import BYTES, pack

from .conftest import person


def test_packed_gaussians_come_back_within_their_steps() -> None:
    g = torch.Generator().manual_seed(0)
    quats = torch.nn.functional.normalize(torch.randn(50, 4, generator=g), dim=-1)
    one = Gaussians(torch.rand(50, 3, generator=g) * 1.6 - 0.8, torch.rand(50, generator=g) * 0.9 + 0.1,
                    torch.rand(50, 3, generator=g) * 0.05 + 1e-3, quats, torch.rand(50, 3, generator=g))
    packed = pack(one)
    start = re.escape('(window.hgmSplats=window.hgmSplats||{})["subject-0"]={count:50,data:"')
    match = re.fullmatch(start + r'([^"]+)"\};\n', packed.script("subject-0"))
    assert match is not None and packed.total == 50
    table = np.frombuffer(base64.b64decode(match[1]), np.uint8).reshape(50, BYTES)
    means = table[:, :6].copy().view("<u2") / 65535 * 2 - 1
    assert np.abs(means - one.means.numpy()).max() < 2e-5
    assert np.abs(np.log(np.exp(table[:, 6:9] / 25.5 - 10) / one.scales.numpy())).max() < 0.021
    turned = rotation_matrices(torch.tensor(table[:, 9:13].copy().view(np.int8).astype(np.float32)))
    assert (turned - rotation_matrices(one.quats)).abs().max() < 0.03
    assert np.abs(table[:, 13:16] / 255 - one.colors.numpy()).max() < 0.003
    assert np.abs(table[:, 16] / 255 - one.opacities.numpy()).max() < 0.003


def test_a_large_set_keeps_what_covers_most() -> None:
    many = person(0, 500)
    scales = many.scales.clone()
    scales[:100] = 0.05
    packed = pack(Gaussians(many.means, many.opacities, scales, many.quats, many.colors), limit=100)
    assert (packed.count, packed.total) == (100, 500)
    kept = np.frombuffer(packed.data, np.uint8).reshape(100, BYTES)
    wanted = np.rint((many.means[:100].numpy() + 1) / 2 * 65535).astype("<u2")
    assert np.array_equal(kept[:, :6].copy().view("<u2"), wanted)


def test_pictures_are_stored_once_and_broken_ones_are_none(tmp_path: Path) -> None:
    assets = Assets(tmp_path)
    small, large = np.full((20, 30, 3), 7, np.uint8), np.zeros((400, 400, 3), np.uint8)
    a, b = assets.picture(small), assets.picture(small.copy())
    assert a == b and a.path.endswith(".png") and (a.width, a.height) == (30, 20)
    assert assets.picture(large).path.endswith(".jpg") and len(list((tmp_path / "assets").iterdir())) == 2
    (tmp_path / "x.png").write_bytes(b"nothing")
    assert read(tmp_path / "x.png") is None and read(None) is None and read_depth(tmp_path / "x.png") is None
    Image.fromarray(np.dstack([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)])).save(tmp_path / "clear.png")
    clear = read(tmp_path / "clear.png")
    assert clear is not None and (clear == 255).all()
    (tmp_path / "big.bin").write_bytes(bytes(100))
    assert assets.file(tmp_path / "big.bin", limit=10) is None


def test_error_map_and_sheet() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    none, full = error_map(black, black), error_map(black, white)
    assert none is not None and full is not None and none.max() < 5 and full.min() > 150
    assert error_map(black, None) is None and error_map(black, white[:4]) is None
    page = sheet([[black, None], [white, black]], cell=16, gap=2)
    assert page is not None and page.shape == (34, 34, 3)
    assert page[:16, :16].max() == 0 and page[:16, 18:].min() == 255 and page[18:, 18:].max() == 0
    assert sheet([[None]]) is None


def test_curves_use_the_pages_colours_and_repeat() -> None:
    history = [{"step": float(s), "loss": 1 / s, "merged_rgb": 0.1, "unet_rgb": 0.2, "lr": 1.0} for s in range(1, 1001)]
    history[-1]["validation_psnr"] = 20.0
    assert panels(history) == [("loss", ["loss"]), ("rgb", ["merged_rgb", "unet_rgb"]),
                               ("validation PSNR (dB)", ["validation_psnr"])]
    one, two = (curve_svg(history, "coarse", "loss", ["loss"]) for _ in range(2))
    assert one is not None and one == two and one.startswith("<svg") and one.rstrip().endswith("</svg>")
    assert "var(--series-0)" in one and "var(--muted)" in one and "http" not in one and len(one) < 60_000
    assert curve_svg(history, "coarse", "validation", ["validation_psnr"]) is None  # one point is no curve
    steps, mean, low, high = binned(np.arange(1000.0), np.arange(1000.0) % 10, 50)
    assert len(steps) == 50 and np.allclose(mean, 4.5) and low.max() == 0 and high.min() == 9


def test_costs_are_summed_by_rule_in_the_order_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "render").mkdir()
    for i, seconds in enumerate((10.0, 30.0)):
        row = {"s": seconds, "max_rss": 100.0 + i, "cpu_time": "NA"}
        (tmp_path / "render" / f"train00{i}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "catalogue.jsonl").write_text(json.dumps({"s": 1.0}) + "\n")
    first, second = costs(tmp_path)
    assert (first.rule, first.memory_mb) == ("catalogue", None)
    assert (second.rule, second.jobs, second.seconds, second.longest) == ("render", 2, 40.0, 30.0)
    assert second.memory_mb == 101.0 and second.cpu_seconds is None
    assert [duration(x) for x in (None, 8.21, 185, 8040)] == ["–", "8.2 s", "3 min 05 s", "2 h 14 min"]


def test_methods_follow_the_configuration(tmp_path: Path) -> None:
    demo = " ".join(methods(Run(tmp_path, resolve({}))))
    assert "stand-in humans" in demo and f"{Coarse().steps} steps" in demo and "stands in for LPIPS" in demo
    assert "LPIPS and KID are not available" in demo and "small latent diffusion" in demo
    real = {"scans": {"source": "thuman2"}, "weights": {"vgg16": "v", "lpips": "l", "inception": "i"}, "base": {"folder": "sd"},
            "coarse": {"steps": 37500}, "estimate": {"source": "fits", "folder": "x"}}
    text = " ".join(methods(Run(tmp_path, resolve(real))))
    assert "THuman2.0" in text and "37,500 steps" in text and "× LPIPS" in text and "not available" not in text
    assert "stand-in" not in text and "were given as files" in text and "{" not in text
    assert methods(Run(tmp_path, {})) == []


def test_kid_without_weights_is_not_a_number(finished: tuple[Path, dict[str, object]]) -> None:
    run = Run(finished[0], {})
    assert set(back_view_kid(run, None)) == set(run.variants) and not any(back_view_kid(run, None).values())
