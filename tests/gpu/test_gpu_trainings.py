"""Trainings on CUDA: stopped and resumed, compiled, short of memory, on several devices."""

import csv
import logging
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from hgm.core.processes import Deadline
from hgm.errors import SliceEnded
from hgm.systems.hgm.back_view.controlnet import build_controlnet, epsilon_loss
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.bench.diffusion import random_base
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.systems.hgm.training import Training, load_hgm, train_hgm
from hgm.train.distributed import Ranks, launch
from hgm.train.loop import fit
from hgm.train.settings import Optimization

pytestmark = pytest.mark.gpu


def train(
    folders: list[Path],
    out: Path,
    *,
    steps: int = 2,
    views: int = 1,
    deadline: Deadline | None = None,
    compiled: bool = False,
    **changes: object,
) -> list[float]:
    """A small training into out/<net>; the losses."""
    section = {
        "steps": steps,
        "lr": 1e-3,
        "accumulate": 1,
        "batch": 2,
        "supervised": 2,
        "validate_every": steps,
        **changes,
    }
    made = Training(
        Coarse(early=0.5, **section) if views == 1 else Fusion(**section),
        folders,
        folders[:1],
        size=64,
        network=Network(precision="bf16", compile=compiled),
        loss=Loss(),
        device="cuda",
    )
    train_hgm(
        HGMConfig.tiny(views, channels_last=True),
        made,
        out / "net",
        out / "state",
        deadline=deadline,
    )
    with (out / "net/history.tsv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file, delimiter="\t")]


def test_a_training_stops_and_goes_on(rendered, tmp_path):
    with pytest.raises(SliceEnded):
        train(rendered, tmp_path / "sliced", deadline=Deadline(0.0))
    sliced = train(rendered, tmp_path / "sliced")
    whole = train(rendered, tmp_path / "whole")
    assert len(sliced) == len(whole) == 2 and sliced == pytest.approx(whole, rel=0.05)
    net = load_hgm(tmp_path / "whole/net", device="cuda")
    assert all(p.is_cuda and bool(p.isfinite().all()) for p in net.parameters())
    assert (tmp_path / "whole/net/early.safetensors").is_file() and list(
        (tmp_path / "whole/net/validation").iterdir()
    )


def test_a_fusion_training(rendered, tmp_path):
    assert len(train(rendered, tmp_path, steps=1, views=2, distortion=1.0, jitter=1.0)) == 1


def test_a_compiled_training(real, rendered, tmp_path):
    eager = train(rendered, tmp_path / "eager")
    compiled = train(rendered, tmp_path / "compiled", compiled=True)
    torch.compiler.reset()
    assert compiled == pytest.approx(eager, rel=0.05)


def test_too_little_memory_halves_the_samples_at_a_time(device, tmp_path, caplog, record_property):
    """A limit of torch's allocator stands for a small device."""
    samples = 8
    width = 2**20
    net = torch.nn.Linear(4, 1).to(device)
    # for about half of a step
    room = torch.cuda.memory_allocated() + 4 * width * (3 * samples // 2 + 4)

    def loss(micro: int, generator: torch.Generator, part: slice):
        x = torch.randn(samples, 4, generator=generator)[part].to(device)
        wide = net(x).expand(-1, width).clone().square()  # 8 MiB a sample with what autograd keeps
        return wide.mean(), {}

    caplog.set_level(logging.WARNING)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(
        room / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        history = fit(
            net,
            loss,
            Optimization(steps=2, lr=1e-3),
            stage="coarse",
            seed=0,
            state=tmp_path,
            batch=samples,
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    record_property("said", [r.getMessage() for r in caplog.records])
    assert len(history) == 2 and any(
        "out of memory with 8 samples at a time" in r.getMessage() for r in caplog.records
    )


def test_a_step_of_the_controlnet(device):
    """Under bf16 autocast; the targets' moments are numbers."""
    base = random_base(
        DiffusionBase(vae_channels=[8, 16], unet_channels=[8, 16], heads=2, text_width=16), 64
    )
    controlnet = build_controlnet(base, 0)
    for network in base.networks():
        network.requires_grad_(False).eval().to(device)
    controlnet.requires_grad_(True).to(device).train()
    optimizer = torch.optim.AdamW(controlnet.parameters(), lr=1e-4, fused=True)
    text = base.embed(["best quality", ""])
    losses = []
    torch.manual_seed(0)
    latents, noise = torch.randn(2, 2, base.vae.config.latent_channels, 32, 32).to(device)
    times = torch.tensor([10, 500]).to(device)
    condition = torch.rand(2, 3, 64, 64).to(device)
    for _ in range(3):
        loss = epsilon_loss(base, controlnet, latents, noise, times, text, condition)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(bool(x.isfinite().all()) for x in base.moments(torch.rand(1, 3, 64, 64)))


def _meet(ranks: Ranks) -> None:
    numbers = torch.ones(4, device="cuda")
    dist.all_reduce(numbers)
    assert (
        dist.get_backend() == "nccl"
        and numbers.tolist() == [ranks.size] * 4
        and ranks.broadcast(True)
    )


def test_one_member_joins_by_nccl(real):
    launch(1, "cuda", _meet)


def test_several_devices_train_as_one(real, rendered, tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    one, two = (train(rendered, tmp_path / str(gpus), gpus=gpus, accumulate=2) for gpus in (1, 2))
    assert two == pytest.approx(one, rel=0.05)
