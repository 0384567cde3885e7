import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.images.views import save_cameras, save_image, view_path
from hgm.systems.hgm.back_view.base import Base, open_base
from hgm.systems.hgm.back_view.controlnet import (
    build_controlnet,
    epsilon_loss,
    open_controlnet,
    read_starts,
    read_targets,
    train_controlnet,
)
from hgm.systems.hgm.back_view.pairs import Pairs, make_pairs
from hgm.systems.hgm.back_view.settings import ControlNet
from hgm.systems.hgm.back_view.small_base import train_base
from hgm.train.prefetch import Prefetch

from .conftest import TINY
from .test_base import digest

SETTINGS = ControlNet(steps=4, batch=2, lr=1e-2)


@pytest.fixture(scope="module")
def trained(
    base_folder: Path, pairs_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("controlnet")
    train_controlnet(
        pairs_folder, base_folder, folder / "out", settings=SETTINGS, state=folder / "state", seed=5
    )
    return folder / "out"


def sample(batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "latents": torch.randn(batch, 4, 8, 8, generator=generator),
        "noise": torch.randn(batch, 4, 8, 8, generator=generator),
        "times": torch.tensor([7, 640])[:batch],
        "condition": torch.rand(batch, 3, 32, 32, generator=generator),
    }


def test_a_training_starts_from_a_controlnet_that_is_given(
    base_folder: Path, pairs_folder: Path, trained: Path, tmp_path: Path
) -> None:
    still = ControlNet(steps=1, batch=2, lr=1e-12, weight_decay=0.0)
    train_controlnet(
        pairs_folder,
        base_folder,
        tmp_path / "out",
        settings=still,
        state=tmp_path / "state",
        seed=6,
        init=trained,
    )
    base = open_base(base_folder)
    ours, theirs = (open_controlnet(folder, base) for folder in (tmp_path / "out", trained))
    for name, tensor in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-6), name


def test_an_untrained_controlnet_changes_nothing(base_folder: Path) -> None:
    base = open_base(base_folder)
    controlnet = build_controlnet(base, seed=0).eval()
    x = sample()
    text = base.embed(["best quality"] * 2)
    with torch.no_grad():
        down, middle = controlnet(x["latents"], x["times"], text, x["condition"], return_dict=False)
        plain = base.unet(x["latents"], x["times"], text).sample
        controlled = base.unet(
            x["latents"],
            x["times"],
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
    assert torch.equal(plain, controlled)


def test_training_gives_the_control_an_effect(base_folder: Path, trained: Path) -> None:
    base = open_base(base_folder)
    controlnet = open_controlnet(trained, base).eval()
    x = sample()
    text = base.embed(["best quality"] * 2)
    with torch.no_grad():
        a = controlnet(x["latents"], x["times"], text, x["condition"], return_dict=False)[1]
        b = controlnet(x["latents"], x["times"], text, 1 - x["condition"], return_dict=False)[1]
    assert (a - b).abs().max() > 1e-6


def test_loss_is_equation_4(base_folder: Path, trained: Path) -> None:
    base = open_base(base_folder)
    controlnet = open_controlnet(trained, base).eval()
    x = sample()
    text = base.embed(["best quality", ""])
    alphas = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    total = 0.0
    for i, t in enumerate(x["times"].tolist()):
        noisy = (
            alphas[t] ** 0.5 * x["latents"][i] + (1 - alphas[t]) ** 0.5 * x["noise"][i]
        ).float()[None]
        with torch.no_grad():
            down, middle = controlnet(
                noisy, t, text[i][None], x["condition"][i][None], return_dict=False
            )
            predicted = base.unet(
                noisy,
                t,
                text[i][None],
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample[0]
        total += ((predicted - x["noise"][i]) ** 2).mean().item() / 2
    loss = epsilon_loss(
        base, controlnet, x["latents"], x["noise"], x["times"], text, x["condition"]
    )
    assert loss.item() == pytest.approx(total, rel=1e-4)


def test_only_the_controlnet_gets_gradients(base_folder: Path) -> None:
    base = open_base(base_folder)
    controlnet = build_controlnet(base, seed=0)
    x = sample()
    epsilon_loss(
        base, controlnet, x["latents"], x["noise"], x["times"], base.embed(["", ""]), x["condition"]
    ).backward()
    assert all(p.grad is None for network in base.networks() for p in network.parameters())
    gradients = {name: p.grad for name, p in controlnet.named_parameters()}
    assert gradients["controlnet_mid_block.weight"].abs().max() > 0


def test_training_leaves_the_base_and_moves_the_controlnet(
    base_folder: Path, pairs_folder: Path, trained: Path, tmp_path: Path
) -> None:
    before = digest(base_folder)
    history = train_controlnet(
        pairs_folder,
        base_folder,
        tmp_path / "out",
        settings=SETTINGS,
        state=tmp_path / "state",
        seed=5,
    )
    assert digest(base_folder) == before
    assert digest(tmp_path / "out") == digest(trained)  # the same seed gives the same bytes
    assert [row["step"] for row in history] == [1, 2, 3, 4]
    base = open_base(base_folder)
    start = build_controlnet(base, seed=5).state_dict()
    end = open_controlnet(trained, base).state_dict()
    assert all(
        not torch.equal(start[name], end[name])
        for name in ("conv_in.weight", "controlnet_mid_block.weight")
    )


def test_training_lowers_the_loss(base_folder: Path, pairs_folder: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 90, "timesteps": 300})
    history = train_controlnet(
        pairs_folder,
        base_folder,
        tmp_path / "out",
        settings=settings,
        state=tmp_path / "state",
        seed=0,
    )
    first, last = (sum(row["loss"] for row in rows) / 8 for rows in (history[:8], history[-8:]))
    assert last < 0.95 * first


def test_training_learns_the_way_from_the_condition(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its noisy latents of the last time are the condition's, of mirrored pairs too."""
    base = open_base(base_folder)
    scan = tmp_path / "views" / "0000"
    save_image(view_path(scan, "rgb", 6), torch.rand(3, 32, 32))
    save_cameras(scan, orbit(size=32))
    make_pairs(
        {"0000": scan},
        tmp_path / "pairs",
        lambda *_: (torch.rand(3, 32, 32), torch.ones(1, 32, 32)),
        factors=[1],
    )
    seen: list[tuple[torch.Tensor, ...]] = []

    def watch(base: Base, controlnet: object, *arguments: torch.Tensor) -> torch.Tensor:
        seen.append(arguments)
        return epsilon_loss(base, controlnet, *arguments)

    monkeypatch.setattr("hgm.systems.hgm.back_view.controlnet.epsilon_loss", watch)
    update = {"steps": 6, "timesteps": 50, "earliest": 49, "departure": 50, "mirror": True}
    train_controlnet(
        tmp_path / "pairs",
        base_folder,
        tmp_path / "out",
        settings=SETTINGS.model_copy(update=update),
        state=tmp_path / "state",
        seed=5,
    )
    pairs = Pairs.open(tmp_path / "pairs", mirror=True)
    starts = read_starts(base, pairs)
    drawn = set()
    for latents, noise, times, _, condition in seen:
        assert times.tolist() == [49, 49]
        noisy = base.scheduler.add_noise(latents, noise, times)
        kept = base.scheduler.alphas_cumprod[49]
        for image, x in zip(condition, noisy, strict=True):
            index = next(i for i in range(2) if torch.equal(pairs.condition(i), image))
            drawn.add(index)
            rest = (x - kept.sqrt() * starts[index]) / (1 - kept).sqrt()
            # standard normal noise is left: 256 numbers
            assert abs(rest.mean()) < 0.3 and 0.8 < rest.std() < 1.2
    assert drawn == {0, 1}


def test_times_that_the_base_lacks_are_refused(
    base_folder: Path, pairs_folder: Path, tmp_path: Path
) -> None:
    for update, match in (
        ({"timesteps": 1001}, r"controlnet\.timesteps: 1001; expected 1 to 1000"),
        ({"timesteps": 40, "earliest": 40}, r"controlnet\.timesteps: 40; expected 41"),
        ({"departure": 1001}, r"controlnet\.departure: 1001"),
    ):
        with pytest.raises(InputError, match=match):
            train_controlnet(
                pairs_folder,
                base_folder,
                tmp_path / "out",
                settings=SETTINGS.model_copy(update=update),
                state=tmp_path / "state",
                seed=5,
            )


def test_targets_are_encoded_as_the_base_does(
    base_folder: Path, pairs_folder: Path, images: torch.Tensor
) -> None:
    base = open_base(base_folder)
    mean, std, _ = read_targets(base, Pairs.open(pairs_folder))
    quantized = (images[:3] * 255).round() / 255
    with torch.no_grad():
        posterior = base.vae.encode(quantized * 2 - 1).latent_dist
    torch.testing.assert_close(
        mean, posterior.mean * base.vae.config.scaling_factor, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        std, posterior.std * base.vae.config.scaling_factor, rtol=1e-4, atol=1e-5
    )


def test_targets_are_encoded_in_float32_whatever_the_networks_train_in(
    base_folder: Path, pairs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = open_base(base_folder)
    pairs = Pairs.open(pairs_folder)
    wanted = read_targets(base, pairs)
    monkeypatch.setattr(
        "hgm.systems.hgm.back_view.base.mixed_precision",
        lambda device: torch.autocast(device, torch.bfloat16),
    )
    with torch.autocast("cpu", torch.bfloat16):
        found = read_targets(base, pairs)
    assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))


def test_targets_are_read_and_encoded_once(
    base_folder: Path, pairs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps there are; the first target is read once more, for its size."""
    done = {"target": 0, "moments": 0}

    def count(owner: type, name: str) -> None:
        work = getattr(owner, name)

        def counted(*arguments):
            done[name] += 1
            return work(*arguments)

        monkeypatch.setattr(owner, name, counted)

    count(Pairs, "target")
    count(Base, "moments")
    train_controlnet(
        pairs_folder,
        base_folder,
        tmp_path / "out",
        settings=SETTINGS,
        state=tmp_path / "state",
        seed=5,
    )
    assert done == {"target": 3 + 1, "moments": 3}


def test_batches_read_ahead_change_nothing(
    base_folder: Path,
    pairs_folder: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Threads as on a GPU; some other than the main one reads the pictures."""
    readers = set()
    read = Pairs.condition

    def reading(self: Pairs, index: int) -> torch.Tensor:
        readers.add(threading.current_thread() is threading.main_thread())
        return read(self, index)

    monkeypatch.setattr(Pairs, "condition", reading)
    monkeypatch.setattr(
        "hgm.systems.hgm.back_view.controlnet.Prefetch",
        lambda make, threads: Prefetch(make, threads=2),
    )
    train_controlnet(
        pairs_folder,
        base_folder,
        tmp_path / "out",
        settings=SETTINGS,
        state=tmp_path / "state",
        seed=5,
    )
    assert readers == {False} and digest(tmp_path / "out") == digest(trained)


def test_bytes_do_not_depend_on_where_the_start_lies(
    base_folder: Path, pairs_folder: Path, trained: Path, tmp_path: Path
) -> None:
    digests = []
    for name in ("here", "there"):
        start = tmp_path / name / "tile"
        shutil.copytree(trained, start)
        train_controlnet(
            pairs_folder,
            base_folder,
            tmp_path / name / "out",
            settings=SETTINGS.model_copy(update={"steps": 1, "tile": str(start)}),
            state=tmp_path / name / "state",
            seed=5,
        )
        digests.append(digest(tmp_path / name / "out"))
    assert digests[0] == digests[1]
    assert digests[0] != digest(trained)


KILLED = """
import sys, torch
from pathlib import Path
import hgm.train.loop as loop
from hgm.systems.hgm.back_view.controlnet import train_controlnet
from hgm.systems.hgm.back_view.settings import ControlNet
torch.set_num_threads(1)
loop.fit.__kwdefaults__["save_seconds"] = 0.0  # keep the state after every step
pairs, base, folder = map(Path, sys.argv[1:])
settings = ControlNet(steps=400, batch=2, lr=1e-2)
train_controlnet(pairs, base, folder / "out", settings=settings, state=folder / "state", seed=5)
"""


def test_a_killed_training_ends_with_the_same_bytes(
    base_folder: Path,
    pairs_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_thread: None,
) -> None:
    command = [sys.executable, "-c", KILLED, str(pairs_folder), str(base_folder), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = tmp_path / "state" / "state.pt"
    while process.poll() is None and not state.exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = torch.load(state, weights_only=True)["step"]
    assert 0 < reached < 400
    settings = SETTINGS.model_copy(update={"steps": reached + 2})
    for name in ("resumed", "undisturbed"):
        if name == "resumed":
            shutil.copytree(tmp_path / "state", tmp_path / name / "state")
        train_controlnet(
            pairs_folder,
            base_folder,
            tmp_path / name / "out",
            settings=settings,
            state=tmp_path / name / "state",
            seed=5,
        )
    assert digest(tmp_path / "resumed" / "out") == digest(tmp_path / "undisturbed" / "out")


def test_networks_that_do_not_fit_are_refused(
    base_folder: Path, images: torch.Tensor, trained: Path, tmp_path: Path
) -> None:
    wider = TINY.model_copy(update={"unet_channels": [8, 24], "vae_steps": 1, "unet_steps": 1})
    train_base(
        images, tmp_path / "wider", settings=wider, size=32, state=tmp_path / "state", seed=0
    )
    with pytest.raises(InputError, match="block_out_channels"):
        open_controlnet(trained, open_base(tmp_path / "wider"))
    with pytest.raises(InputError, match=r"no config\.json"):
        open_controlnet(tmp_path, open_base(base_folder))
