"""Trains one HGM: `coarse` gets the front view as input, `fusion` the front and the back view
(paper sections 3.3 and 3.5)."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline, use_threads
from hgm.gaussians import Gaussians
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, save_image
from hgm.nets import spconv_backend
from hgm.nets.weights import WEIGHTS, save_tensors
from hgm.splat import backend_for, render
from hgm.systems.hgm.augmentation import camera_jitter, grid_distortion
from hgm.systems.hgm.data import Batch, Side, batch_of, draw
from hgm.systems.hgm.losses import Perceptual, hgm_loss
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.files import load_model, save_model
from hgm.systems.hgm.networks.hgm import HGM, HGMOutput
from hgm.systems.hgm.networks.imports import start_from_lgm
from hgm.systems.hgm.networks.start import start_from
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.train.distributed import SINGLE, Ranks, check_ranks, device_of, launch
from hgm.train.loop import fit, write_history, write_record
from hgm.train.pictures import Pictures
from hgm.train.prefetch import LOADERS, Prefetch
from hgm.train.scan_store import ScanStore
from hgm.train.settings import Optimizer, Schedule

log = logging.getLogger(__name__)
EARLY = "early.safetensors"  # the unconverged snapshot, beside the final weights
OPTIMIZER = Optimizer(betas=(0.9, 0.95))  # (release)
# advice where one sample at a time needs too much memory
RELIEF = (
    "set network.overrides: {checkpointing: true} or network.precision: bf16, lower "
    "rendering.size, or use a larger device"
)
VALIDATION_VIEWS = 4  # evenly spaced, starting with the front view


@dataclass(frozen=True)
class Training:
    """The settings and data of one HGM training: its section of the configuration, settings shared
    with other stages, and folders of scans."""

    section: Coarse | Fusion
    scans: Sequence[Path]  # view folders
    validation: Sequence[Path]
    size: int  # edge of the pictures in pixels
    network: Network
    loss: Loss
    # <pairs>/<scan>/condition.png and mask.png: unconverged renders as back views
    pairs: Path | None = None
    seed: int = 0
    device: str = "cpu"
    backend: str = "auto"

    @property
    def stage(self) -> str:
        return "fusion" if isinstance(self.section, Fusion) else "coarse"

    @property
    def inputs(self) -> tuple[Side, ...]:
        """The views that the networks get as input."""
        return ("front", "back") if isinstance(self.section, Fusion) else ("front",)

    @property
    def early(self) -> int | None:
        """Step after which the unconverged model is saved; None for the fusion."""
        if isinstance(self.section, Fusion):
            return None
        return max(1, round(self.section.early * self.section.steps))


def gaussian_sets(output: HGMOutput) -> dict[str, Gaussians]:
    """The sets of Gaussians that the loss supervises (release): merged, U-Net alone and, with a
    body branch, body."""
    sets = {"merged": output.merged, "unet": output.unet}
    if output.body is not None:
        sets["body"] = output.body
    return sets


def augment_back(
    batch: Batch,
    scans: Sequence[Path],
    fusion: Fusion,
    pairs: Path | None,
    generator: torch.Generator,
) -> Batch:
    """With the probabilities of `fusion`, replace the second input view of a sample by its
    unconverged render in the folder `pairs`, distort it, and jitter the camera of its rays. The
    first view, the targets and the camera that projects the body are unchanged."""
    images = batch.images.clone()
    masks = batch.masks.clone()
    w2c = batch.rays.world_to_camera.clone()
    for b, scan in enumerate(scans):
        chance = torch.rand(3, generator=generator)
        if pairs is not None and chance[0] < fusion.back_share:
            for batched, name in ((images, "condition.png"), (masks, "mask.png")):
                image = load_image(pairs / scan.name / name)
                if image.shape[-1] != batched.shape[-1]:
                    image = torch.nn.functional.interpolate(
                        image[None], batched.shape[-2:], mode="bilinear", align_corners=False
                    )[0]
                batched[b, 1] = image
        if chance[1] < fusion.distortion:
            both = grid_distortion(torch.cat([images[b, 1], masks[b, 1]]), generator)
            images[b, 1], masks[b, 1] = both[:3], both[3:]
        if chance[2] < fusion.jitter:
            w2c[b, 1] = camera_jitter(batch.cameras[b, 1], generator).world_to_camera
    return dataclasses.replace(
        batch, images=images, masks=masks, rays=dataclasses.replace(batch.rays, world_to_camera=w2c)
    )


def train_hgm(
    config: HGMConfig,
    training: Training,
    out: Path,
    state: Path,
    *,
    init: Path | None = None,
    perceptual: Callable[[str], Perceptual | None] | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Train and write `weights.safetensors`, `model.json`, `history.tsv`, `training.json`
    (backends), `validation/` and, for the coarse stage, `early.safetensors`.

    init: a file of weights, such as the coarse model's, that are the start (`start_from`). With
    `lgm` in the section, the U-Net starts from this published LGM checkpoint and the rest from
    random weights. perceptual: called with a device, returns the perceptual loss on it.

    With `gpus` > 1, that many processes train together; the loss curve is that of one process with
    the same `batch` and `accumulate`, except for rounding. Raises InputError for unusable data or
    weights and SliceEnded at the deadline.
    """
    # validation views are never read ahead, so they are stored first
    pictures = Pictures([*training.validation, *training.scans])

    def views(folders: Sequence[Path]) -> list[int]:
        """The number of views in each folder. Raises InputError for cameras of no use."""
        return [len(Viewpoints.of(pictures.cameras(folder), folder)) for folder in folders]

    views(training.validation)
    fewest = min(views(training.scans), default=0)
    section = training.section
    if 0 < fewest < section.supervised:  # all samples of a batch have the same number of views
        log.info(
            "%s: each step is compared with %d views, not %d: a scan has no more",
            training.stage,
            fewest,
            section.supervised,
        )
        training = dataclasses.replace(
            training, section=section.model_copy(update={"supervised": fewest})
        )
    arguments = (config, training, pictures, out, state, init, perceptual, deadline)
    if section.gpus == 1:
        _train(SINGLE, *arguments)
        return
    check_ranks(section.gpus, section.accumulate, training.device, training.stage)
    launch(section.gpus, training.device, _train, *arguments)


def _train(
    ranks: Ranks,
    config: HGMConfig,
    training: Training,
    pictures: Pictures,
    out: Path,
    state: Path,
    init: Path | None,
    perceptual: Callable[[str], Perceptual | None] | None,
    deadline: Deadline | None,
) -> None:
    section = training.section
    torch.manual_seed(training.seed)
    device = torch.device(device_of(ranks, training.device))
    if device.type == "cuda":
        use_threads(1)  # the job's other threads read ahead
    backend = backend_for(training.backend, device)
    sparse_backend = (
        spconv_backend.resolve_backend(training.network.sparse_backend, device)
        if config.use_body
        else "torch"
    )
    model = HGM(config, sparse_backend=sparse_backend).to(device)
    if init is not None:
        start_from(model, init)
    if section.lgm is not None:
        start_from_lgm(model, Path(section.lgm))
    if training.network.compile:
        model.compile_networks()
    lpips = None if perceptual is None else perceptual(str(device))
    store = ScanStore(training.scans, pictures)
    watched = ScanStore(training.validation, pictures) if training.validation else None

    def batch(micro: int) -> Batch:
        generator = torch.Generator().manual_seed(
            derived_seed(training.seed, training.stage, "data", micro)
        )
        drawn, scans = draw(
            store,
            section,
            micro,
            training.seed,
            generator,
            inputs=training.inputs,
            size=training.size,
        )
        if isinstance(section, Fusion):
            folders = [store.folders[s] for s in scans]
            drawn = augment_back(drawn, folders, section, training.pairs, generator)
        return drawn.pinned() if device.type == "cuda" else drawn

    batches = Prefetch(batch, stride=ranks.size, threads=LOADERS if device.type == "cuda" else 0)

    def loss(micro: int, _: torch.Generator, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        sample = batches[micro][part].to(device)
        output = model(
            sample.images,
            sample.cameras,
            sample.vertices,
            masks=sample.masks,
            rays=sample.rays,
            precision=training.network.precision,
        )
        return hgm_loss(
            gaussian_sets(output),
            sample.target_rgb,
            sample.target_mask,
            sample.target_cameras,
            training.loss,
            perceptual=lpips,
            backend=backend,
        )

    shown = state / "validation"

    def validate(step: int) -> Mapping[str, float]:
        if watched is None:
            return {}
        errors = []
        with torch.no_grad():
            for scan in range(len(watched)):
                batch = batch_of(
                    watched,
                    [scan],
                    inputs=training.inputs,
                    supervised=VALIDATION_VIEWS,
                    size=training.size,
                ).to(device)
                output = model(
                    batch.images,
                    batch.cameras,
                    batch.vertices,
                    masks=batch.masks,
                    precision=training.network.precision,
                )
                rgb = render(output.merged, batch.target_cameras, backend=backend).rgb.clamp(0, 1)
                errors.append((rgb - batch.target_rgb).square().mean())
                if scan == 0:
                    rows = torch.cat([batch.target_rgb[0], rgb[0]], -2)  # [T, 3, 2h, w]
                    save_image(shown / f"step_{step:06d}.png", torch.cat(list(rows), -1))
        return {"validation_psnr": float(-10 * torch.log10(torch.stack(errors)).mean())}

    snapshots = (
        {training.early: lambda: save_tensors(model.state_dict(), state / EARLY)}
        if training.early is not None
        else None
    )
    try:
        history = fit(
            model,
            loss,
            section,
            optimizer=OPTIMIZER,
            schedule=Schedule(warmup=section.warmup),
            relief=RELIEF,
            stage=training.stage,
            seed=training.seed,
            state=state,
            batch=section.batch,
            ranks=ranks,
            deadline=deadline,
            validate=validate,
            validate_every=section.validate_every,
            snapshots=snapshots,
            backends={"splat": backend, **({"sparse": sparse_backend} if config.use_body else {})},
        )
    finally:
        batches.close()
    if not ranks.is_main:
        return
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "validation", ignore_errors=True)  # of an earlier training
    if shown.exists():
        shutil.copytree(shown, out / "validation")
    if training.early is not None:
        shutil.copyfile(state / EARLY, out / EARLY)
    write_record(out, state)
    write_history(out / "history.tsv", history)
    save_model(model, out)


def load_hgm(
    folder: Path, *, weights: str = WEIGHTS, device: str = "cpu", sparse_backend: str = "auto"
) -> HGM:
    """A trained HGM that `train_hgm` wrote, frozen and in evaluation mode; with `weights=EARLY` the
    unconverged one."""
    model = load_model(folder, device, weights=weights, sparse_backend=sparse_backend)
    return model.requires_grad_(False)
