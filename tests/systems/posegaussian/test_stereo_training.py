"""Both trainings: they learn, survive a stop at any step, and repeat the release's target where it
is asked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from stereo_scenes import Slopes

from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.metrics.images import ssim_map
from hgm.systems.posegaussian.losses import disparity_loss, end_point_error, picture_loss
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.released import weighted_target
from hgm.systems.posegaussian.rig import NOVEL
from hgm.systems.posegaussian.samples import drawn, sample_of
from hgm.systems.posegaussian.settings import Depth, Maps
from hgm.systems.posegaussian.training import Training, train_depth, train_maps
from hgm.systems.posegaussian.widths import WIDTHS

SMALL = Design(WIDTHS["small"], iterations=2)
COMMON = {"lr": 5e-4, "warmup": 0.1, "horizon": None, "validate_every": 2}


class Stop(Deadline):
    """Passed after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(None)
        self.left = steps

    def passed(self, reserve: float = 0.0) -> bool:
        self.left -= 1
        return self.left <= 0


def train(out: Path, *, stop: int | None = None, design: Design = SMALL, steps: int = 3) -> Path:
    """Both trainings, one after the other; stopped after so many steps of each."""
    pairs = Slopes(3, size=32)
    heat = pairs.source_heat if design.released else None
    training = Training(design, pairs, Slopes(1, first=3, size=32), heat)
    depth = Depth(steps=steps, batch=2, **COMMON)
    maps = Maps(steps=steps, batch=2, **COMMON)
    if stop is not None:
        with pytest.raises(SliceEnded):
            train_depth(training, depth, out / "depth", out / "state/depth", deadline=Stop(stop))
    train_depth(training, depth, out / "depth", out / "state/depth")
    if stop is not None:
        with pytest.raises(SliceEnded):
            train_maps(
                training, maps, out / "depth", out / "maps", out / "state/maps", deadline=Stop(stop)
            )
    train_maps(training, maps, out / "depth", out / "maps", out / "state/maps")
    return out


def history(file: Path) -> list[dict[str, str]]:
    head, *rows = (line.split("\t") for line in file.read_text().splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("stereo"))


def test_both_trainings_leave_a_network_and_its_history(trained):
    for stage, parts in (("depth", {"epe"}), ("maps", {"epe", "l1", "ssim"})):
        rows = history(trained / stage / "history.tsv")
        assert parts | {"loss", "lr", "validation_epe"} <= set(rows[0])
        assert ("validation_psnr" in rows[0]) == (stage == "maps")
        assert [bool(row["validation_epe"]) for row in rows] == [False, True, True]
        assert {p.name for p in (trained / stage).iterdir()} == {
            "history.tsv", "model.json", "training.json", "weights.safetensors",
        }  # fmt: skip
    assert not PoseGaussian.load(trained / "depth").design.maps
    whole = PoseGaussian.load(trained / "maps")
    sample = sample_of(Slopes(1), [0])
    batch = sample.batch("cpu")
    assert all(len(g) for g in whole.gaussians(batch, whole.maps(batch, whole(batch))))


@pytest.mark.parametrize("stop", [1, 2])
def test_stopped_at_any_step_they_end_with_the_same_bytes(trained, tmp_path, stop):
    train(tmp_path, stop=stop)
    for stage in ("depth", "maps"):
        for name in ("weights.safetensors", "history.tsv"):
            there = (trained / stage / name).read_bytes()
            assert (tmp_path / stage / name).read_bytes() == there, (stage, name)


def test_what_is_drawn_in_each_step_is_drawn_again_after_a_stop(tmp_path):
    """Of `released_random`, whose forward pass draws from torch's own generator."""
    drawing = dataclasses.replace(SMALL, learned=False)
    whole = train(tmp_path / "whole", design=drawing, steps=2)
    torch.rand(5)  # the generator is elsewhere in another process
    again = train(tmp_path / "again", design=drawing, steps=2, stop=1)
    for stage in ("depth", "maps"):
        names = [f"{stage}/{name}" for name in ("weights.safetensors", "history.tsv")]
        for name in names:
            assert (again / name).read_bytes() == (whole / name).read_bytes(), name


def test_one_scene_is_learned_to_a_pixel(tmp_path):
    training = Training(dataclasses.replace(SMALL, heat=0), Slopes(1))
    settings = Depth(steps=60, lr=2e-3, batch=1, warmup=0.1, horizon=None)
    network = train_depth(training, settings, tmp_path, tmp_path / "state")
    batch = sample_of(Slopes(1), [0]).batch("cpu")
    assert float(history(tmp_path / "history.tsv")[0]["epe"]) > 5
    assert float(end_point_error(network(batch).flows[-1], batch.flow, batch.valid)) < 1


def test_later_refinements_count_more():
    """0.206, 0.454 and 1 of three (RAFT-Stereo)."""
    target, valid = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    valid[0, 0, 1] = True
    for weights in ([1.0], [0.9**15, 1.0], [0.9**15, 0.9**7.5, 1.0]):
        for i, weight in enumerate(weights):
            flows = [torch.full((2, 1, 4, 4), float(i == j)) for j in range(len(weights))]
            flows[i][1] = 9  # not valid
            assert float(disparity_loss(flows, target, valid)) == pytest.approx(weight)
    assert float(disparity_loss(flows, target, torch.zeros_like(valid))) == 0


@pytest.mark.parametrize("place", [(0, 0), (3, 20), (26, 12), (39, 39), None])
def test_the_loss_of_a_small_picture_is_that_of_the_whole(place):
    """Against means over all pixels and windows; with the gradient."""
    generator = torch.Generator().manual_seed(0)
    one, two = torch.zeros(2, 2, 3, 40, 40, dtype=torch.float64)
    if place is not None:
        rows, columns = (slice(x, x + 7) for x in place)
        one[..., rows, columns].uniform_(generator=generator)
        two[1, :, rows, columns].uniform_(generator=generator)
    found, wanted = one.clone().requires_grad_(), one.clone().requires_grad_()
    settings = Maps()
    loss, parts = picture_loss(found, two, settings)
    expected = 0.8 * (wanted - two).abs().mean() + 0.2 * (1 - ssim_map(wanted, two).mean())
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(loss, 0.8 * parts["l1"] + 0.2 * parts["ssim"])
    loss.backward()
    expected.backward()
    torch.testing.assert_close(found.grad, wanted.grad)


def test_all_pairs_take_their_turns():
    micros = [drawn(5, "depth", micro, 2, 5) for micro in range(5)]
    indices = [index for found, _ in micros for index in found]
    assert sorted(indices[:5]) == sorted(indices[5:]) == list(range(5))
    assert indices[:5] != indices[5:]
    assert {view for _, views in micros for view in views} == set(NOVEL)
    assert drawn(5, "depth", 3, 2, 5) == micros[3] != drawn(6, "depth", 3, 2, 5)


def test_the_released_target_is_weighted_by_brightness():
    """Against the release's arithmetic in numpy, on one pair."""
    pairs = Slopes(1)
    pair, heat = pairs.pair(0), pairs.source_heat(0)
    assert pair.flow is not None and pair.valid is not None
    brightness = heat.mean(-1).astype(np.float32)
    flow = pair.flow.astype(np.float32) * brightness
    kept = (pair.valid * np.float32(255) * brightness).astype(np.int64).astype(np.uint8) / 255
    batch = sample_of(pairs, [0], heat=pairs.source_heat).batch("cpu")
    torch.testing.assert_close(batch.flow[:, 0], torch.from_numpy(np.where(pair.valid, flow, 0)))
    assert np.array_equal(batch.valid[:, 0].numpy(), kept >= 0.5)
    share = float(batch.valid.sum() / pair.valid.sum())
    assert 0.4 < share < 0.6


def test_the_darkest_blue_of_a_heat_map_counts():
    """42.7 of 255, as the release's heat maps have it where no joint is: 128 in a byte."""
    heat = torch.tensor([0, 0, 128], dtype=torch.uint8).view(1, 3, 1, 1)
    flow, valid = weighted_target(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1) > 0, heat)
    assert float(flow) == pytest.approx(42.667, abs=1e-3) and bool(valid)


def test_released_trains_by_the_weighted_target(tmp_path, trained):
    train(tmp_path, design=dataclasses.replace(SMALL, learned=False, released=True), steps=1)
    errors = [float(history(path / "depth/history.tsv")[0]["epe"]) for path in (trained, tmp_path)]
    assert errors[1] > 40 * errors[0]


def test_pairs_without_depth_are_one_clear_error(tmp_path):
    class Photos(Slopes):
        def pair(self, index):
            return dataclasses.replace(super().pair(index), flow=None, valid=None)

    settings = Depth(steps=1, batch=1, **COMMON)
    with pytest.raises(InputError, match="one to train by has no depth; expected depth/"):
        train_depth(Training(SMALL, Photos(1)), settings, tmp_path, tmp_path / "state")
