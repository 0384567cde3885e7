"""The training loop: a killed run against an undisturbed one, schedules, snapshots."""

import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from hgm.core.manifests import read_json
from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.train.loop import RECORD, fit, write_history, write_record
from hgm.train.settings import Optimization, Schedule

SCRIPT = """
import sys, time
from pathlib import Path
import torch
from safetensors.torch import save_file
from torch import nn
from hgm.train.loop import fit
from hgm.train.settings import Optimization
torch.set_num_threads(1)
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.2), nn.Linear(32, 8))
def loss(step, generator, part):
    time.sleep(0.01)
    x = torch.randn(16, 8, generator=generator)
    return (net(x) - x.roll(1, 1)).square().mean(), {}
settings = Optimization(steps=80, lr=1e-2, ema=0.9)
fit(net, loss, settings, stage="t", seed=3, state=Path(sys.argv[1]), save_seconds=0.05)
save_file(net.state_dict(), sys.argv[2])
"""


def problem() -> tuple[nn.Module, object]:
    torch.manual_seed(0)
    net = nn.Linear(4, 4)

    def loss(step: int, generator: torch.Generator, part: slice):
        x = torch.randn(32, 4, generator=generator)
        return (net(x) - x.flip(1)).square().mean(), {"steps": torch.tensor(float(step))}

    return net, loss


def test_training_learns(tmp_path):
    net, loss = problem()
    history = fit(
        net,
        loss,
        Optimization(steps=200, lr=0.05, weight_decay=0.0),
        stage="t",
        seed=0,
        state=tmp_path,
    )
    assert history[-1]["loss"] < 0.01 * history[0]["loss"]
    assert [int(r["step"]) for r in history] == list(range(1, 201))


def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name), str(tmp_path / f"{name}.pt")],
            stderr=subprocess.DEVNULL,
        )

    assert start("calm").wait() == 0
    killed = start("killed")
    while not (tmp_path / "killed" / "state.pt").exists():
        time.sleep(0.01)
        assert killed.poll() is None
    time.sleep(0.15)
    killed.kill()
    assert killed.wait() != 0 and not (tmp_path / "killed.pt").exists()
    assert start("killed").wait() == 0
    assert (tmp_path / "killed.pt").read_bytes() == (tmp_path / "calm.pt").read_bytes()


def test_the_deadline_stops_and_the_next_call_goes_on(tmp_path):
    net, loss = problem()
    calm = fit(
        net, loss, Optimization(steps=6, lr=0.05), stage="t", seed=1, state=tmp_path / "calm"
    )
    slices = 0
    again = None
    while again is None:
        other, loss = problem()
        try:
            again = fit(
                other,
                loss,
                Optimization(steps=6, lr=0.05),
                stage="t",
                seed=1,
                state=tmp_path / "cut",
                deadline=Deadline(0.0),
            )
        except SliceEnded:
            slices += 1
    assert slices == 5 and again == calm
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_backends_of_all_slices_are_kept(tmp_path):
    net, loss = problem()
    with pytest.raises(SliceEnded):
        fit(
            net,
            loss,
            Optimization(steps=2, lr=0.05),
            stage="t",
            seed=1,
            state=tmp_path,
            deadline=Deadline(0.0),
            backends={"splat": "torch"},
        )
    fit(
        net,
        loss,
        Optimization(steps=2, lr=0.05),
        stage="t",
        seed=1,
        state=tmp_path,
        backends={"splat": "numba", "sparse": "torch"},
    )
    # no step is left
    fit(
        net,
        loss,
        Optimization(steps=2, lr=0.05),
        stage="t",
        seed=1,
        state=tmp_path,
        backends={"splat": "gsplat"},
    )
    write_record(tmp_path / "out", tmp_path)
    assert read_json(tmp_path / "out" / RECORD) == {
        "backends": {"sparse": ["torch"], "splat": ["numba", "torch"]}
    }


def test_the_rate_follows_the_schedule(tmp_path):
    net, loss = problem()
    history = fit(
        net,
        loss,
        Optimization(steps=5, lr=0.1),
        schedule=Schedule(name="milestones", milestones=[2, 4], factor=0.5),
        stage="t",
        seed=0,
        state=tmp_path,
    )
    assert [r["lr"] for r in history] == [0.1, 0.1, 0.05, 0.05, 0.025]


def test_accumulation_equals_the_mean_of_micro_batches(tmp_path):
    net, loss = problem()
    seen = []

    def recording(step, generator, part):
        value, numbers = loss(step, generator, part)
        seen.append((step, value.item()))
        return value, numbers

    history = fit(
        net,
        recording,
        Optimization(steps=2, lr=0.1, accumulate=3),
        stage="t",
        seed=0,
        state=tmp_path,
    )
    assert [s for s, _ in seen] == [0, 1, 2, 3, 4, 5]
    assert history[0]["loss"] == pytest.approx(sum(v for _, v in seen[:3]) / 3)


def test_snapshots_and_validation_come_when_asked(tmp_path):
    net, loss = problem()
    taken = []
    checked = []
    fit(
        net,
        loss,
        Optimization(steps=10, lr=0.1),
        stage="t",
        seed=0,
        state=tmp_path,
        snapshots={4: lambda: taken.append(4)},
        validate=lambda step: checked.append(step) or {"validation": float(step)},
        validate_every=3,
    )
    assert taken == [4] and checked == [3, 6, 9, 10]


@pytest.mark.parametrize(
    ("more", "advice"),
    [({}, "lower coarse.lr"), ({"remedy": "lower base.vae_lr"}, "lower base.vae_lr")],
)
def test_a_loss_that_is_not_finite_is_one_clear_error(tmp_path, more, advice):
    net, _ = problem()
    with pytest.raises(InputError, match=rf"at step 0; {advice} and start again$"):
        fit(
            net,
            lambda step, g, part: (next(net.parameters()).sum() * float("nan"), {}),
            Optimization(steps=3, lr=0.1),
            stage="coarse",
            seed=0,
            state=tmp_path,
            **more,
        )


def test_hooks_see_every_step_and_add_to_its_row(tmp_path):
    net, loss = problem()
    history = fit(
        net,
        loss,
        Optimization(steps=4, lr=0.1),
        stage="t",
        seed=0,
        state=tmp_path,
        hooks=[lambda step, row: row.update(twice=2.0 * step)],
    )
    assert [row["twice"] for row in history] == [2, 4, 6, 8]


def test_history_table_has_every_column(tmp_path):
    write_history(
        tmp_path / "h.tsv", [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "psnr": 20.0}]
    )
    assert (tmp_path / "h.tsv").read_text() == "step\tloss\tpsnr\n1\t0.5\t\n2\t0.25\t20\n"


def test_a_steps_samples_may_change_and_still_fit_into_memory(tmp_path):
    """Each step is the mean over its own samples, also where they are taken one by one."""
    batches = [3, 3, 1, 2]

    def run(name: str, *, full: bool) -> tuple[torch.Tensor, list[list[int]]]:
        torch.manual_seed(0)
        module = nn.Linear(2, 1)
        shown: list[list[int]] = []

        def loss(step, generator, part):
            samples = torch.randn(batches[step], 2, generator=generator)[part]
            if full and len(samples) > 1:
                raise torch.OutOfMemoryError
            shown.append([step, part.start, part.stop])
            return module(samples).square().mean(), {}

        pace = Optimization(steps=4, lr=0.1, weight_decay=0)
        fit(module, loss, pace, stage="s", seed=0, state=tmp_path / name, batch=batches.__getitem__)
        return module.weight.detach(), shown

    whole, shown = run("whole", full=False)
    assert shown == [[0, 0, 3], [1, 0, 3], [2, 0, 1], [3, 0, 2]]
    single, shown = run("single", full=True)
    torch.testing.assert_close(single, whole, rtol=1e-5, atol=1e-6)
    assert shown == [[0, 0, 1], [0, 1, 2], [0, 2, 3], [1, 0, 1], [1, 1, 2], [1, 2, 3], [2, 0, 1],
                     [3, 0, 1], [3, 1, 2]]  # fmt: skip
