"""Training of the ControlNet that sharpens back views, with the base frozen (paper section 3.5, eq.
4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.core.files import atomic_folder
from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline
from hgm.errors import InputError
from hgm.systems.hgm.back_view.base import (
    Base,
    import_diffusers,
    mixed_precision,
    one_line,
    open_base,
)
from hgm.systems.hgm.back_view.images import crop_places, cut, foreground_boxes
from hgm.systems.hgm.back_view.pairs import Pairs
from hgm.systems.hgm.back_view.settings import ControlNet
from hgm.train.loop import fit, generator_of, write_history
from hgm.train.prefetch import LOADERS, Prefetch
from hgm.train.settings import Schedule

STAGE = "controlnet"
# widths of the encoder of the control image in ControlNets of Stable Diffusion; it halves the image
# once less than it has widths
EMBEDDING_CHANNELS = (16, 32, 96, 256)


def build_controlnet(base: Base, seed: int) -> Any:
    """A ControlNetModel that starts from the weights of the base's UNet; its outputs are zero until
    it is trained.

    Its encoder of the control image halves the image as often as the VAE does. Raises InputError
    for a VAE with too many halvings.
    """
    if not 0 < base.halvings < len(EMBEDDING_CHANNELS):
        raise InputError(
            f"base: its VAE halves images {base.halvings} times; expected 1 to "
            f"{len(EMBEDDING_CHANNELS) - 1}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "controlnet"))
        return import_diffusers().ControlNetModel.from_unet(
            base.unet, conditioning_embedding_out_channels=EMBEDDING_CHANNELS[: base.halvings + 1]
        )


def open_controlnet(folder: Path, base: Base) -> Any:
    """A ControlNetModel from a local diffusers folder. Raises InputError when it does not fit the
    base."""
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no config.json; expected a ControlNet folder in diffusers' layout"
        )
    try:
        controlnet = import_diffusers().ControlNetModel.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
    # a damaged or hostile folder can raise anything from the two libraries
    except Exception as error:
        raise InputError(f"{folder}: cannot open the ControlNet ({one_line(error)})") from None
    # so that the saved file does not depend on the path of the start
    controlnet.register_to_config(_name_or_path="")
    ours = controlnet.config
    theirs = base.unet.config
    for key in ("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block"):
        if _plain(ours[key]) != _plain(theirs[key]):
            raise InputError(
                f"{folder}: {key} is {ours[key]}, the base has {theirs[key]}; use a ControlNet "
                "made for this base"
            )
    halvings = len(ours["conditioning_embedding_out_channels"]) - 1
    if halvings != base.halvings:
        raise InputError(
            f"{folder}: halves the control image {halvings} times, the base's VAE {base.halvings} "
            "times"
        )
    return controlnet


def _plain(value: Any) -> Any:
    """A list as a tuple: configurations hold tuples when new and lists when read from a file."""
    return tuple(value) if isinstance(value, list) else value


def epsilon_loss(
    base: Base,
    controlnet: Any,
    latents: Tensor,
    noise: Tensor,
    times: Tensor,
    text: Tensor,
    condition: Tensor,
) -> Tensor:
    """Paper eq. 4: the mean of |noise - prediction|^2 over latents [B, C, h, w] with noise added
    for diffusion times `times` [B].

    text [B, L, E]: caption embeddings; condition [B, 3, H, W]: control images in [0, 1].
    """
    noisy = base.scheduler.add_noise(latents, noise, times)
    with mixed_precision(base.device.type):
        down, middle = controlnet(
            noisy, times, encoder_hidden_states=text, controlnet_cond=condition, return_dict=False
        )
        predicted = base.unet(
            noisy,
            times,
            encoder_hidden_states=text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
    return (predicted.float() - noise).square().mean()


def train_controlnet(
    pairs: Path,
    base: Path,
    out: Path,
    *,
    settings: ControlNet,
    state: Path,
    seed: int,
    init: Path | None = None,
    deadline: Deadline | None = None,
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Train a ControlNet on the pairs in the folder `pairs` against the base in the folder `base`,
    write it to `out` and return the history.

    It starts from the ControlNet folder `init` or `settings.tile` (ControlNet-tile in the paper),
    else from the base's UNet. Captions are `settings.caption`, some of them empty. A training that
    was killed continues from the folder `state`. Raises SliceEnded at the deadline and InputError
    when the folders do not fit each other.
    """
    opened = open_base(base, device)
    data = Pairs.open(pairs, mirror=settings.mirror)
    check_times(settings, opened)
    tile = None if settings.tile is None else Path(settings.tile)
    start = tile if init is None else init
    controlnet = build_controlnet(opened, seed) if start is None else open_controlnet(start, opened)
    controlnet.requires_grad_(True).to(device)
    captions = opened.embed([settings.caption, ""])  # [2, L, E]
    stride = 1 << opened.halvings
    shape = data.target(0).shape[-2:]
    size = _crop_size(settings, opened, shape)
    mean, std, boxes = read_targets(opened, data)
    starts = None if settings.departure is None else read_starts(opened, data)

    def sample(micro: int) -> tuple[Tensor, ...]:
        """Latents, noise, times, which caption, and condition of a micro-batch."""
        generator = generator_of(seed, STAGE, *divmod(micro, settings.accumulate))
        indices = torch.randint(len(data), (settings.batch,), generator=generator).tolist()
        places = crop_places(boxes, indices, size, shape, generator, multiple=stride)
        middle, spread = (
            cut([x[i] for i in indices], places, size, reduced=stride) for x in (mean, std)
        )
        latents = middle + spread * torch.randn(middle.shape, generator=generator)
        noise = torch.randn(latents.shape, generator=generator)
        if starts is not None and settings.departure is not None:
            begin = cut([starts[i] for i in indices], places, size, reduced=stride)
            noise = noise + opened.departure(begin, latents, settings.departure)
        times = torch.randint(
            settings.earliest, settings.timesteps, (settings.batch,), generator=generator
        )
        empty = (torch.rand(settings.batch, generator=generator) < settings.empty_caption).long()
        drawn = (
            latents,
            noise,
            times,
            empty,
            cut([data.condition(i) for i in indices], places, size),
        )
        return tuple(x.pin_memory() for x in drawn) if on_gpu else drawn

    on_gpu = opened.device.type == "cuda"
    samples = Prefetch(sample, threads=LOADERS if on_gpu else 0)

    def loss(micro: int, _: torch.Generator, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        latents, noise, times, empty, condition = (
            x[part].to(device, non_blocking=True) for x in samples[micro]
        )
        return epsilon_loss(
            opened, controlnet, latents, noise, times, captions[empty], condition
        ), {}

    try:
        history = fit(
            controlnet,
            loss,
            settings,
            schedule=Schedule(name=settings.schedule),
            relief="lower controlnet.crop, or use a larger device",
            stage=STAGE,
            seed=seed,
            state=state,
            batch=settings.batch,
            deadline=deadline,
        )
    finally:
        samples.close()
    with atomic_folder(out) as folder:
        controlnet.save_pretrained(folder)
        write_history(folder / "history.tsv", history)
    return history


def check_times(settings: ControlNet, base: Base) -> None:
    """Raise InputError unless the diffusion times of the training are some of the base's."""
    last = base.scheduler.config.num_train_timesteps
    for key, time, least in (
        ("timesteps", settings.timesteps, settings.earliest + 1),
        ("departure", settings.departure, 1),
    ):
        if time is not None and not least <= time <= last:
            raise InputError(f"controlnet.{key}: {time}; expected {least} to {last}")


def _crop_size(settings: ControlNet, base: Base, shape: torch.Size) -> int:
    """Side of a training crop in pixels; without `crop`, that of the whole, square image. Raises
    InputError for a side that does not fit the networks or the images."""
    multiple = 1 << base.halvings + len(base.unet.config.block_out_channels) - 1
    size = min(shape) if settings.crop is None else settings.crop
    if not 0 < size <= min(shape) or size % multiple:
        raise InputError(
            f"controlnet.crop: {size} pixels; expected a multiple of {multiple}, at most "
            f"{min(shape)}"
        )
    return size


def read_targets(base: Base, pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """Read and encode the M target images once: mean and standard deviation of their latents, each
    [M, C, h, w] on the CPU, and their `foreground_boxes` [M, 4]."""
    targets = (pairs.target(i)[None] for i in range(len(pairs)))
    mean, std, boxes = zip(
        *((*base.moments(target), foreground_boxes(target)) for target in targets), strict=True
    )
    return torch.cat(mean), torch.cat(std), torch.cat(boxes)


def read_starts(base: Base, pairs: Pairs) -> Tensor:
    """Read and encode the M conditions once: the means of their latents [M, C, h, w] on the CPU."""
    return torch.cat([base.moments(pairs.condition(i)[None])[0] for i in range(len(pairs))])
