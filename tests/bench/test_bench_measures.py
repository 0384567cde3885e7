"""Counting, timing, memory, floors: against hand-made cases."""

import math
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hgm.bench import clock, memory, rates
from hgm.bench.flops import count_flops
from hgm.bench.measure import Row, Way, Work, measure_stage
from hgm.bench.rates import Rates, matmul_flops, measure_rates
from hgm.bench.table import COLUMNS, WIDTH, duration, heading, line, number, size
from hgm.errors import InputError
from hgm.systems.hgm.bench.diffusion import stable_diffusion_unet, stable_diffusion_vae
from hgm.workflow.work import splatting_bytes

RATES = Rates(matmul=1e9, copy=1e6)


def test_flops_of_products_and_convolutions():
    a = torch.rand(5, 7)
    b = torch.rand(7, 11)
    assert count_flops(lambda: a @ b) == 2 * 5 * 7 * 11
    out = torch.empty(5, 11)
    # as the sparse convolution calls it
    assert count_flops(lambda: torch.mm(a, b, out=out)) == 2 * 5 * 7 * 11
    conv = nn.Conv2d(3, 8, 3, padding=1)
    x = torch.rand(2, 3, 16, 16)
    assert count_flops(lambda: conv(x)) == 2 * (2 * 8 * 16 * 16) * (3 * 3 * 3)
    # backward: gradients of the weights and, where asked for, of the input, each as much as the
    # forward pass
    assert count_flops(lambda: conv(x).sum().backward()) == 2 * count_flops(lambda: conv(x))
    x.requires_grad_()
    assert count_flops(lambda: conv(x).sum().backward()) == 3 * count_flops(lambda: conv(x))


def test_flops_of_attention_are_those_of_its_two_products():
    q = torch.rand(2, 4, 64, 16, requires_grad=True)
    forward = 2 * (2 * 4) * 64 * 64 * 16 * 2
    assert count_flops(lambda: F.scaled_dot_product_attention(q, q, q)) == forward
    both = count_flops(lambda: F.scaled_dot_product_attention(q, q, q).sum().backward())
    assert both == pytest.approx(3 * forward, rel=0.2)  # fused kernels compute the scores once more


class Time:
    """A clock that only moves when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        for name in ("perf_counter", "process_time"):
            monkeypatch.setattr(clock.time, name, lambda: self.now)

    def passing(self, *seconds: float):
        left = list(seconds)

        def work() -> None:
            self.now += left.pop(0)

        return work


def test_every_run_is_timed_by_itself(monkeypatch):
    assert clock.seconds_of(Time(monkeypatch).passing(1.0, 3.0, 2.0), "cpu", 3) == [1.0, 3.0, 2.0]


def test_one_thread_is_charged_its_own_time_only(monkeypatch):
    def waiting() -> None:
        threading.Event().wait(0.2)

    monkeypatch.setattr(clock, "threads", lambda: 1)
    assert clock.once(waiting, "cpu") < 0.1 and clock.clock_name("cpu") == "CPU time"
    monkeypatch.setattr(clock, "threads", lambda: 2)
    assert clock.once(waiting, "cpu") >= 0.2 and clock.clock_name("cpu") == "wall time"


def test_slow_work_gets_fewer_repeats(monkeypatch):
    slow = clock.LONG * 0.6
    assert clock.seconds_of(Time(monkeypatch).passing(slow, slow, slow), "cpu", 3) == [slow, slow]
    assert clock.seconds_of(Time(monkeypatch).passing(clock.LONG * 9), "cpu", 3) == [clock.LONG * 9]


def test_a_rate_is_work_over_the_fastest_time(monkeypatch):
    monkeypatch.setattr(rates, "seconds_of", lambda *_: [0.75, 0.5, 2.0])
    found = measure_rates("cpu", torch.float32, matrix=16, copy=1000)
    assert found == Rates(2 * 16**3 / 0.5, 2 * 1000 / 0.5)
    twice = measure_rates("cpu", torch.float32, matrix=32, copy=2000)
    assert (twice.matmul / found.matmul, twice.copy / found.copy) == (8, 2)
    assert matmul_flops(16) == count_flops(lambda: torch.rand(16, 16) @ torch.rand(16, 16))


def test_rates_of_this_machine_are_those_of_a_computer():
    found = measure_rates("cpu", torch.float32, matrix=512, copy=1 << 24)
    assert 1e8 < found.matmul < 1e14 and 1e7 < found.copy < 1e13


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_peak_memory_is_what_a_run_adds():
    held = torch.ones(8_000_000)  # there before: not counted
    before = torch.ones(30_000_000)
    del before  # gone before: not counted, though it was the process's peak
    peak = memory.start_peak("cpu")
    for _ in range(3):
        torch.ones(16_000_000).sum()
    assert 63e6 < peak() < 80e6 and len(held)


def test_peak_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "nowhere")
    assert memory.start_peak("cpu")() is None


def test_bytes_of_splatting():
    # one set of 2 Gaussians, 3 views of 4 x 4 pixels
    gaussians = 2 * 14 * 4
    splats = 3 * 2 * 10 * 4
    pixels = 3 * 16 * 5 * 4
    forward = gaussians + 2 * splats + pixels
    assert splatting_bytes(1, 2, 3, 4) == forward
    assert (
        splatting_bytes(1, 2, 3, 4, backward=True)
        == forward + 2 * gaussians + 3 * splats + 2 * pixels
    )
    assert splatting_bytes(5, 2, 3, 4) == 5 * forward


def refuse() -> Work:
    raise InputError("spconv is not installed")


def test_the_floor_is_work_over_rates_and_shared(monkeypatch):
    time = Time(monkeypatch)
    a = torch.rand(100, 100)

    def lasting(*seconds: float) -> Work:
        passing = time.passing(*seconds)
        return Work(lambda: passing(), bytes=500.0, samples=4, counted=lambda: a @ a)

    ways = [
        Way("ours", lambda: lasting(9.0, 0.25, 0.125, 0.5)),
        Way("plain", lambda: lasting(9.0, 1.0, 1.0, 1.0)),
    ]
    ours, plain = measure_stage("x", ways, RATES, "cpu", 3)
    assert ours.seconds == 0.25 and ours.runs == 3 and ours.flops == 2_000_000 and ours.bytes == 500
    assert ours.floor == plain.floor == pytest.approx(2e6 / 1e9 + 500 / 1e6)
    assert ours.over_floor == pytest.approx(0.25 / 0.0025)
    assert (ours.over_first, plain.over_first) == (1.0, 4.0)
    assert (ours.note, plain.note) == ("16 samples/s", "4 samples/s")


def test_a_way_that_fails_says_why_and_the_others_go_on():
    def exhausted() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n20 GiB")

    def broken() -> None:
        raise RuntimeError("first line\nsecond line")

    ways = [
        Way("a", refuse),
        Way("b", lambda: Work(exhausted)),
        Way("c", lambda: Work(broken)),
        Way("d", lambda: Work(lambda: torch.rand(8, 8) @ torch.rand(8, 8))),
    ]
    rows = list(measure_stage("x", ways, RATES, "cpu", 1))
    assert [row.note for row in rows] == [
        "spconv is not installed",
        "out of memory",
        "first line second line",
        "",
    ]
    assert [row.seconds is None for row in rows] == [True, True, True, False]
    assert rows[3].flops == 1024 and rows[3].over_first == 1.0


def test_numbers_read_well():
    assert [duration(x) for x in (None, 12.34, 0.9999, 0.0123, 1.234e-5)] == [
        "-",
        "12.3 s",
        "1.00 s",
        "12.3 ms",
        "12.3 us",
    ]
    assert [size(x) for x in (None, 512_000, 64_000_000, 3_200_000_000)] == [
        "-",
        "0.51 MB",
        "64.0 MB",
        "3.20 GB",
    ]
    assert [number(x) for x in (None, 0.456, 9.994, 9.996, 99.96, 12345.6)] == [
        "-",
        "0.46",
        "9.99",
        "10.0",
        "100",
        "12346",
    ]


def test_a_line_keeps_to_its_columns():
    row = Row(
        "splatting-backward",
        "diff-gaussian-rasterization",
        "0.123 samples/s",
        1.0,
        3,
        1,
        1.0,
        0.001,
        10**9,
        12345.0,
    )
    end = 0
    for name, width in COLUMNS.items():
        end += width + 1
        assert heading().split("\n")[0][: end - 1].rstrip().endswith(name)
    text = line(row, first=True)
    assert len(text) <= WIDTH and text[: end - 1].endswith(" 12345") and "  0.123 samples/s" in text
    assert line(row, first=False).startswith(" " * COLUMNS["stage"] + " diff-gaussian")
    long = line(Row("x", "y", "word " * 60), first=True).split("\n")
    assert (
        len(long) > 1
        and all(len(part) <= WIDTH for part in long)
        and " ".join(long).count("word") == 60
    )


def test_the_random_base_has_the_sizes_of_stable_diffusion():
    with torch.device("meta"):
        networks = stable_diffusion_unet(), stable_diffusion_vae()
    # the published numbers of parameters of Stable Diffusion 1.5
    assert [math.floor(sum(p.numel() for p in net.parameters()) / 1e3) for net in networks] == [
        859_520,
        83_653,
    ]
