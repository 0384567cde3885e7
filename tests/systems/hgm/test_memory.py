"""A device too small for a micro-batch: fewer samples at a time, the same steps."""

import json
import logging

import pytest
import torch
from torch import nn

from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.systems.hgm.sections.training import Coarse, Loss, Network
from hgm.systems.hgm.training import RELIEF, Training, train_hgm
from hgm.train.loop import fit, parts
from hgm.train.settings import Optimization

BATCH = 6


class Device:
    """A loss over `BATCH` samples that runs out of memory, in its forward or its backward pass,
    above `room` samples."""

    def __init__(self, room: int, *, backward: bool = False) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
        self.net.register_buffer("calls", torch.zeros(()))
        self.room = room
        self.backward = backward
        self.sizes = []
        self.seen: list[tuple[int, torch.Tensor]] = []

    def loss(self, step: int, generator: torch.Generator, part: slice):
        x = torch.randn(BATCH, 4, generator=generator)[part]
        self.sizes.append(len(x))
        self.net.calls += 1
        full = len(x) > self.room
        if full and not self.backward:
            raise torch.OutOfMemoryError("CUDA out of memory (made up)")
        value = (self.net(x) - x.flip(1)).square().mean()
        if full:
            value.register_hook(self._full)
        self.seen.append((step, x))
        return value, {"first": x[:, 0].mean()}

    def _full(self, _):
        raise torch.OutOfMemoryError("CUDA out of memory (made up)")


def train(device: Device, state, steps=12, accumulate=2, **more):
    return fit(
        device.net,
        device.loss,
        Optimization(steps=steps, lr=0.02, accumulate=accumulate),
        stage="coarse",
        seed=4,
        state=state,
        batch=BATCH,
        **more,
    )


@pytest.mark.parametrize(("room", "backward"), [(3, False), (2, True), (1, False)])
def test_the_loss_curve_is_that_of_a_device_with_room(tmp_path, room, backward):
    large = Device(BATCH)
    small = Device(room, backward=backward)
    calm = train(large, tmp_path / "large")
    halved = train(small, tmp_path / "small")
    for key in ("loss", "first", "grad_norm"):
        assert [row[key] for row in halved] == pytest.approx(
            [row[key] for row in calm], rel=1e-4, abs=1e-6
        ), key
    for one, other in zip(large.net.parameters(), small.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    tried = [n for i, n in enumerate(small.sizes) if n not in small.sizes[:i]]
    assert tried[0] == BATCH and max(small.sizes[len(tried) :]) <= room


def test_every_sample_of_a_step_is_used_once(tmp_path):
    device = Device(2)
    train(device, tmp_path, steps=2, accumulate=1)
    for step in range(2):
        found = torch.cat([x for number, x in device.seen if number == step])
        assert found.shape == (BATCH, 4) and len(found.unique(dim=0)) == BATCH


def test_buffers_do_not_count_the_step_that_failed(tmp_path):
    device = Device(3)
    train(device, tmp_path, steps=1, accumulate=2)
    assert device.net.calls == 4 and len(device.sizes) == 5


def test_the_halving_is_said_once_and_kept_for_the_next_slice(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    device = Device(2)
    with pytest.raises(SliceEnded):
        train(device, tmp_path, deadline=Deadline(0.0))
    said = [r.getMessage() for r in caplog.records]
    assert [
        s for s in said if "out of memory with 6 samples at a time; goes on with 3" in s
    ] and len(said) == 2
    assert json.loads((tmp_path / "progress.json").read_text())["at_once"] == 2
    again = Device(2)
    whole = Device(BATCH)
    history = train(again, tmp_path)
    assert set(again.sizes) == {2}
    assert [r["loss"] for r in history] == pytest.approx(
        [r["loss"] for r in train(whole, tmp_path / "w")], rel=1e-4
    )


def test_one_sample_that_does_not_fit_is_one_clear_error(tmp_path):
    with pytest.raises(
        InputError, match=r"fusion: out of memory with one sample .* lower rendering\.size"
    ):
        fit(
            *(lambda d: (d.net, d.loss))(Device(0)),
            Optimization(steps=2, lr=0.1),
            stage="fusion",
            seed=0,
            state=tmp_path,
            batch=2,
            relief=RELIEF,
        )


def test_parts_cover_a_micro_batch():
    assert parts(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 5)] and parts(4, 4) == [slice(0, 4)]


def test_hgm_trains_alike_in_halves(rendered, tmp_path, monkeypatch):
    """Without the body branch, whose batch statistics see fewer samples at a time."""
    import csv

    from hgm.systems.hgm.networks.config import HGMConfig
    from hgm.systems.hgm.networks.hgm import HGM

    made = Training(
        Coarse(steps=3, lr=1e-3, accumulate=1, batch=2, supervised=2),
        rendered,
        [],
        size=64,
        network=Network(precision="fp32"),
        loss=Loss(),
    )
    forward = HGM.forward

    def small(self, images, *arguments, **names):
        if len(images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory (made up)")
        return forward(self, images, *arguments, **names)

    curves = []
    for name in ("whole", "halves"):
        if name == "halves":
            monkeypatch.setattr(HGM, "forward", small)
        train_hgm(HGMConfig.tiny(use_body=False), made, tmp_path / name, tmp_path / f"state_{name}")
        with (tmp_path / name / "history.tsv").open() as file:
            curves.append([float(row["loss"]) for row in csv.DictReader(file, delimiter="\t")])
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
