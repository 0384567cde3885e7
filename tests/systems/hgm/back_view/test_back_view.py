from pathlib import Path

import pytest
import torch

from hgm.errors import InputError
from hgm.systems.hgm.back_view.controlnet import train_controlnet
from hgm.systems.hgm.back_view.refiner import BackViewRefiner
from hgm.systems.hgm.back_view.settings import BackView, ControlNet


@pytest.fixture(scope="module")
def refiner(
    base_folder: Path, pairs_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> BackViewRefiner:
    folder = tmp_path_factory.mktemp("refiner")
    settings = ControlNet(steps=2, batch=2, lr=1e-2)
    train_controlnet(
        pairs_folder, base_folder, folder / "out", settings=settings, state=folder / "state", seed=1
    )
    return BackViewRefiner.load(base_folder, folder / "out")


@pytest.fixture(scope="module")
def coarse(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images[0], (images[0] < 1).any(0, keepdim=True).float()


def test_same_seed_same_image(
    refiner: BackViewRefiner, coarse: tuple[torch.Tensor, torch.Tensor]
) -> None:
    a, b, other = (refiner.refine(*coarse, BackView(seed=s)) for s in (22, 22, 23))
    assert a.shape == (3, 32, 32)
    assert a.min() >= 0 and a.max() <= 1
    assert torch.equal(a, b)
    assert not torch.equal(a, other)


def test_background_is_white_outside_the_grown_silhouette(
    refiner: BackViewRefiner, coarse: tuple[torch.Tensor, torch.Tensor]
) -> None:
    image = refiner.refine(*coarse, BackView())
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[2:30, 8:24] = True  # the block of rows 4..27 and columns 10..21, two pixels larger
    assert (image[:, ~inside] == 1).all()
    assert (image[:, inside] != 1).any(0).float().mean() > 0.9
    faint = refiner.refine(coarse[0], coarse[1] * 0.4, BackView())
    assert (faint == 1).all()


@pytest.mark.parametrize(
    ("strength", "steps", "calls", "first"),
    [(0.2, 100, 21, 201), (0.1, 50, 6, 101), (0.5, 20, 11, 501)],
)
def test_the_last_steps_run(
    refiner: BackViewRefiner,
    coarse: tuple[torch.Tensor, torch.Tensor],
    strength: float,
    steps: int,
    calls: int,
    first: int,
) -> None:
    times: list[int] = []
    hook = refiner.pipeline.unet.register_forward_pre_hook(
        lambda module, inputs: times.append(int(inputs[1]))
    )
    refiner.refine(*coarse, BackView(strength=strength, steps=steps))
    hook.remove()
    # PNDM evaluates the network once more than it steps
    assert times == list(range(first, 0, -1000 // steps))
    assert len(times) == calls


def test_guidance_of_one_runs_a_single_branch(
    refiner: BackViewRefiner, coarse: tuple[torch.Tensor, torch.Tensor]
) -> None:
    batches: list[int] = []
    hook = refiner.pipeline.unet.register_forward_pre_hook(
        lambda module, inputs: batches.append(len(inputs[0]))
    )
    refiner.refine(*coarse, BackView(strength=0.02, guidance=1.0))
    refiner.refine(*coarse, BackView(strength=0.02, guidance=5.0))
    hook.remove()
    assert sorted(set(batches)) == [1, 2]


def test_control_image_and_scale_reach_the_networks(
    refiner: BackViewRefiner, coarse: tuple[torch.Tensor, torch.Tensor]
) -> None:
    seen: list[torch.Tensor] = []
    hook = refiner.pipeline.controlnet.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["controlnet_cond"].clone()),
        with_kwargs=True,
    )
    refiner.refine(*coarse, BackView(guidance=1.0, strength=0.01))
    hook.remove()
    assert torch.equal(seen[0][0], coarse[0])
    assert not torch.equal(
        refiner.refine(*coarse, BackView(control_scale=0.0)),
        refiner.refine(*coarse, BackView(control_scale=1.0)),
    )


def test_unusable_inputs_are_one_line(
    refiner: BackViewRefiner, coarse: tuple[torch.Tensor, torch.Tensor]
) -> None:
    rgb, alpha = coarse
    with pytest.raises(InputError, match="expected rgb"):
        refiner.refine(rgb[None], alpha, BackView())
    with pytest.raises(InputError, match="expected rgb"):
        refiner.refine(rgb, alpha[:, :-1], BackView())
    with pytest.raises(InputError, match="multiples of 4"):
        refiner.refine(rgb[:, :30, :30], alpha[:, :30, :30], BackView())
    with pytest.raises(InputError, match="runs no step"):
        refiner.refine(rgb, alpha, BackView(strength=0.001))
