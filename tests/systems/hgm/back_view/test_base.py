import hashlib
import shutil
import socket
from pathlib import Path

import pytest
import torch

from hgm.core.keys import folder_digest
from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.systems.hgm.back_view.base import link_base, open_base
from hgm.systems.hgm.back_view.images import degrade
from hgm.systems.hgm.back_view.small_base import (
    HUE,
    blurred_latents,
    build_vae,
    hue_error,
    train_base,
)

from .conftest import TINY


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_folder_opens_with_diffusers_without_a_network(
    base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    def refuse(*args: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    pipeline = StableDiffusionPipeline.from_pretrained(base_folder)
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.scheduler, PNDMScheduler)
    image = pipeline(
        "best quality",
        height=32,
        width=32,
        num_inference_steps=2,
        output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images
    assert image.shape == (1, 32, 32, 3)


def test_schedule_is_the_one_of_stable_diffusion(base_folder: Path) -> None:
    scheduler = open_base(base_folder).scheduler
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    torch.testing.assert_close(
        scheduler.alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=1e-6
    )
    assert scheduler.config.prediction_type == "epsilon"


def test_scaled_latents_have_unit_deviation(base_folder: Path, images: torch.Tensor) -> None:
    mean, std = open_base(base_folder).moments(images)
    total = mean.var() + std.square().mean()
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_a_training_starts_from_a_base_that_is_given(
    base_folder: Path, images: torch.Tensor, tmp_path: Path
) -> None:
    """Its texts too are embedded as there, whatever the seed."""
    still = TINY.model_copy(
        update={"vae_steps": 1, "vae_lr": 1e-12, "unet_steps": 1, "unet_lr": 1e-12}
    )
    out = tmp_path / "base"
    train_base(images, out, settings=still, size=32, state=tmp_path / "s", seed=9, init=base_folder)
    for ours, theirs in zip(
        open_base(out).networks(), open_base(base_folder).networks(), strict=True
    ):
        for name, tensor in theirs.state_dict().items():
            assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-6), name
    for change, words in (({"text_width": 16}, "expected"), ({"heads": 4}, "2 attention heads")):
        other = TINY.model_copy(update=change)
        with pytest.raises(InputError, match=f"{base_folder}: .*{words}.*set section base as in"):
            train_base(
                images, out, settings=other, size=32, state=tmp_path / "t", seed=9, init=base_folder
            )


def test_slices_end_with_the_bytes_of_an_undisturbed_run(
    base_folder: Path, images: torch.Tensor, tmp_path: Path
) -> None:
    slices = 0
    while not (tmp_path / "base").exists():
        try:
            train_base(
                images,
                tmp_path / "base",
                settings=TINY,
                size=32,
                state=tmp_path / "state",
                seed=3,
                deadline=Deadline(0),
            )
        except SliceEnded:
            slices += 1
    # the last step of a part does not end the slice
    assert slices == TINY.vae_steps + TINY.unet_steps - 2
    assert digest(tmp_path / "base") == digest(base_folder)


def test_another_seed_gives_another_base(
    base_folder: Path, images: torch.Tensor, tmp_path: Path
) -> None:
    train_base(images, tmp_path / "base", settings=TINY, size=32, state=tmp_path / "state", seed=4)
    ours = digest(base_folder)
    other = digest(tmp_path / "base")
    assert ours.keys() == other.keys()
    for part in ("vae", "unet", "text_encoder"):
        assert any(
            ours[name] != other[name]
            for name in ours
            if name.startswith(part) and name.endswith(".safetensors")
        )


def test_the_vae_learns_and_the_perceptual_loss_counts(
    images: torch.Tensor, tmp_path: Path
) -> None:
    settings = TINY.model_copy(
        update={
            "vae_steps": 40,
            "unet_steps": 1,
            "vae_channels": [8, 16],
            "vae_lr": 1e-2,
            "ema": 0.0,
        }
    )
    calls = []

    def perceptual(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(image.requires_grad)
        error = image - target
        return error.square().mean() + HUE * hue_error(error)

    history = train_base(
        images,
        tmp_path / "base",
        settings=settings,
        size=32,
        state=tmp_path / "state",
        seed=0,
        perceptual=perceptual,
    )["vae"]
    first, last = (sum(row["l1"] for row in rows) / 5 for rows in (history[:5], history[-5:]))
    assert last < 0.75 * first
    assert calls == [True] * 40
    row = history[0]
    total = (
        row["l1"]
        + settings.squared * row["squared"]
        + settings.kl * row["kl"]
        + settings.lpips * row["lpips"]
    )
    assert row["loss"] == pytest.approx(total, rel=1e-5)
    # what this test's perceptual loss measures
    assert row["lpips"] == pytest.approx(row["squared"])


def test_hue_error_ignores_brightness_only() -> None:
    brightness = torch.rand(2, 1, 4, 4).expand(2, 3, 4, 4)
    assert hue_error(brightness).item() == pytest.approx(0, abs=1e-12)
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 0.3
    assert hue_error(red).item() == pytest.approx((0.2**2 + 0.1**2 + 0.1**2) / 3)
    assert hue_error(brightness[:1, :, :2, :2] + red).item() == pytest.approx(
        hue_error(red).item(), rel=1e-4
    )


def test_vae_halves_once_less_than_it_has_levels() -> None:
    vae = build_vae(TINY, 32)
    assert vae.encode(torch.zeros(1, 3, 32, 32)).latent_dist.mean.shape == (1, 4, 8, 8)


def test_links_make_a_base(base_folder: Path, tmp_path: Path) -> None:
    own = shutil.copytree(base_folder, tmp_path / "own")
    link_base(own, tmp_path / "base")
    weights = own / "unet" / "config.json"
    before = folder_digest(tmp_path / "base")
    weights.write_text(weights.read_text() + " ")
    assert folder_digest(tmp_path / "base") != before  # what is behind the links counts
    text = open_base(tmp_path / "base").embed(["best quality", ""])
    assert torch.equal(text, open_base(base_folder).embed(["best quality", ""]))
    with pytest.raises(InputError, match=r"no model_index\.json"):
        link_base(tmp_path / "absent", tmp_path / "other")


def test_unusable_inputs_are_one_line(
    base_folder: Path, images: torch.Tensor, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no model_index\.json"):
        open_base(tmp_path)
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(InputError, match="cannot open the diffusion base"):
        open_base(tmp_path)
    with pytest.raises(InputError, match="expected images"):
        train_base(images[0], tmp_path / "b", settings=TINY, size=32, state=tmp_path / "s", seed=0)
    with pytest.raises(InputError, match="multiple of 8"):
        train_base(
            images[..., :30, :30],
            tmp_path / "b",
            settings=TINY,
            size=32,
            state=tmp_path / "s",
            seed=0,
        )
    with pytest.raises(InputError, match=r"base\.blur: \[3\]"):
        train_base(
            images,
            tmp_path / "b",
            settings=TINY.model_copy(update={"blur": [3]}),
            size=32,
            state=tmp_path / "s",
            seed=0,
        )


@pytest.mark.parametrize("last", [50, 200, 1000])
def test_a_departure_is_the_way_of_the_deterministic_sampler(base_folder: Path, last: int) -> None:
    """A network that predicts this noise leads diffusers' DDIM from the noisy start to the target,
    over the noisy latents of training."""
    from diffusers import DDIMScheduler

    base = open_base(base_folder)
    generator = torch.Generator().manual_seed(0)
    start, target, noise = torch.randn(3, 2, 4, 8, 8, generator=generator)
    sampler = DDIMScheduler.from_config(
        base.scheduler.config, clip_sample=False, set_alpha_to_one=True, steps_offset=0
    )
    sampler.set_timesteps(1000)
    predicted = noise + base.departure(start, target, last)
    x = base.scheduler.add_noise(start, noise, torch.tensor([last - 1] * 2))
    for time in range(last - 1, -1, -1):
        wanted = base.scheduler.add_noise(target, predicted, torch.tensor([time] * 2))
        torch.testing.assert_close(x, wanted, rtol=1e-3, atol=1e-3)
        x = sampler.step(predicted, time, x).prev_sample
    torch.testing.assert_close(x, target, rtol=1e-3, atol=1e-3)


def test_blurred_latents_are_those_of_views_without_detail(
    base_folder: Path, images: torch.Tensor
) -> None:
    base = open_base(base_folder)
    sharp = blurred_latents(base, images, [1], seed=0)
    torch.testing.assert_close(sharp, base.moments(images)[0], rtol=1e-4, atol=1e-5)
    blurred = torch.stack([degrade(image, 4) for image in images])
    torch.testing.assert_close(
        blurred_latents(base, images, [4], seed=0), base.moments(blurred)[0], rtol=1e-4, atol=1e-5
    )
    mixed = blurred_latents(base, images.repeat(4, 1, 1, 1), [1, 4], seed=0)
    kinds = {
        next(
            k
            for k, known in enumerate((sharp, blurred_latents(base, images, [4], seed=0)))
            if torch.allclose(latents, known[i % 4], rtol=1e-4, atol=1e-5)
        )
        for i, latents in enumerate(mixed)
    }
    assert kinds == {0, 1}


def test_a_base_that_predicts_something_else_is_refused(base_folder: Path, tmp_path: Path) -> None:
    link_base(base_folder, tmp_path / "base")
    (tmp_path / "base" / "scheduler").unlink()
    (tmp_path / "base" / "scheduler").mkdir()
    config = (base_folder / "scheduler" / "scheduler_config.json").read_text()
    (tmp_path / "base" / "scheduler" / "scheduler_config.json").write_text(
        config.replace('"epsilon"', '"v_prediction"')
    )
    with pytest.raises(InputError, match="v_prediction"):
        open_base(tmp_path / "base")
