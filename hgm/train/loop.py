"""One training loop for every network: resumable to the bit on one model of CPU, stopped by a
deadline, history on disk.

A step's batch and noise depend on (seed, step) only, so the state to keep is weights, optimizer,
schedule and step.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hgm.core.files import atomic_write
from hgm.core.keys import derived_seed
from hgm.core.manifests import read_json, write_json
from hgm.core.processes import Deadline
from hgm.core.progress import Progress
from hgm.errors import InputError, SliceEnded
from hgm.train.distributed import SINGLE, Ranks
from hgm.train.settings import Optimization
from hgm.train.state import Cadence, State

log = logging.getLogger(__name__)
LossFn = Callable[[int, torch.Generator, slice], tuple[Tensor, dict[str, Tensor]]]
# beside the weights: what is told of a training and changes nothing that follows
RECORD = "training.json"
SHOW_SECONDS = 5.0  # between two writings of progress.json


def fit(
    module: nn.Module,
    loss: LossFn,
    optimization: Optimization,
    *,
    stage: str,
    seed: int,
    state: Path,
    schedule: str = "onecycle",
    warmup: float = 0.02,
    betas: tuple[float, float] = (0.9, 0.95),
    batch: int = 1,
    ranks: Ranks = SINGLE,
    deadline: Deadline | None = None,
    validate: Callable[[int], Mapping[str, float]] | None = None,
    validate_every: int = 0,
    snapshots: Mapping[int, Callable[[], None]] | None = None,
    save_seconds: float = 30.0,
    backends: Mapping[str, str] | None = None,
) -> list[dict[str, float]]:
    """Train `module` (its parameters that require gradients) in place and return the history, one
    row a step.

    AdamW; its rate is constant or follows OneCycle with a share `warmup` of the steps on the way
    up, by `schedule`.

    `loss(micro_step, generator, part)` draws the `batch` samples of a micro-batch and returns the
    mean over those of `part`, with scalars to log; `generator` is a CPU generator that depends on
    (seed, step, micro-batch) only. `part` is all samples until a device runs out of memory; then
    the step is done again with half as many samples at a time, down to one, and the gradients of
    the parts are summed: a step sees the same samples and the loss curve stays (batch statistics
    apart). State goes to the folder `state`; a killed call goes on from it and, on one model of
    CPU, ends with the same bits as an undisturbed one. The processes of a `ranks` share each step's
    micro-batches and end with equal weights; the main process writes. `snapshots[step]()` is called
    after that many steps (again, with the same weights, after a resume). With `ema` > 0 the
    averaged weights are in `module` at the end. `backends`: what the loss works with, by kind; the
    state keeps those of all slices for `write_record`. Raises SliceEnded at the deadline and
    InputError when the loss is not finite or one sample at a time needs too much memory.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters,
        lr=optimization.lr,
        betas=betas,
        weight_decay=optimization.weight_decay,
        fused=True,
    )
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, _factor(schedule, optimization.steps, warmup)
    )
    average = copy.deepcopy(module).requires_grad_(False) if optimization.ema > 0 else None
    stored = State(state, module, optimizer, rates, average)
    found = stored.load()
    step = found.get("step", 0)
    at_once = min(batch, found.get("at_once", batch))
    history = found.get("history", [])
    worked = {kind: list(names) for kind, names in found.get("backends", {}).items()}
    if step < optimization.steps:
        for kind, name in (backends or {}).items():
            worked[kind] = sorted({*worked.get(kind, []), name})

    def save() -> None:
        stored.save(step=step, history=history, at_once=at_once, backends=worked)
        show()

    def show() -> None:
        with atomic_write(state / "progress.json", "w") as file:
            json.dump(
                {
                    "stage": stage,
                    "steps": optimization.steps,
                    "rate": progress.rate(step),
                    "at_once": at_once,
                    "backends": worked,
                    **(history[-1] if history else {}),
                    "step": step,
                },
                file,
            )

    progress = Progress(stage, optimization.steps)
    cadence = Cadence(stored.bytes, shortest=save_seconds)
    shown_at = time.monotonic()
    progress.resume(step)
    device = next(module.parameters()).device

    def gradients() -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for micro in ranks.micro_batches(optimization.accumulate):
            for part in parts(batch, at_once):
                generator = generator_of(seed, stage, step, micro)
                share = (part.stop - part.start) / batch / optimization.accumulate
                with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                    torch.manual_seed(
                        derived_seed(
                            seed,
                            stage,
                            step,
                            micro,
                            "global",
                            *([part.start] if part.start else []),
                        )
                    )
                    value, numbers = loss(step * optimization.accumulate + micro, generator, part)
                    (value * share).backward()
                for key, number in {"loss": value, **numbers}.items():
                    scaled = number.detach() * share
                    sums[key] = sums[key] + scaled if key in sums else scaled
        return sums

    while step < optimization.steps:
        module.train()
        buffers = [b.clone() for b in module.buffers()] if at_once > 1 else []
        sums: dict[str, Tensor] | None = None
        while sums is None:
            # only after the block are the failed step's tensors let go
            with contextlib.suppress(torch.OutOfMemoryError), ranks.statistics(module):
                sums = gradients()
            if sums is None:
                at_once = halved(at_once, stage)
                optimizer.zero_grad(set_to_none=True)
                for buffer, before in zip(module.buffers(), buffers, strict=True):
                    buffer.copy_(before)
                if device.type == "cuda":
                    torch.cuda.empty_cache()
        # read once a step: each reading makes a GPU wait
        logs = dict(zip(sums, ranks.add(torch.stack(list(sums.values()))).tolist(), strict=True))
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"{stage}: the loss is {logs['loss']} at step {step}; lower {stage}.lr and start "
                "again"
            )
        ranks.add_gradients(parameters)
        ranks.merge_statistics(module)
        logs["grad_norm"] = float(nn.utils.clip_grad_norm_(parameters, optimization.clip))
        logs["lr"] = float(rates.get_last_lr()[0])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        rates.step()
        step += 1
        if average is not None:
            decay = min(optimization.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                for mean, now in zip(average.parameters(), module.parameters(), strict=True):
                    mean.lerp_(now, 1 - decay)
                for copied, buffer in zip(average.buffers(), module.buffers(), strict=True):
                    copied.copy_(buffer)
        history.append({"step": step, **logs})
        if (
            ranks.is_main
            and validate is not None
            and validate_every
            and (step % validate_every == 0 or step == optimization.steps)
        ):
            module.eval()
            history[-1].update(validate(step))
        if ranks.is_main and snapshots and step in snapshots:
            snapshots[step]()
        late = deadline is not None and deadline.passed(cadence.reserve)
        if ranks.is_main:
            progress.update(step, f"loss {logs['loss']:.4f}")
            if late or step == optimization.steps or cadence.due():
                cadence.write(save)
                shown_at = time.monotonic()
            elif time.monotonic() - shown_at > SHOW_SECONDS:
                show()
                shown_at = time.monotonic()
        # the others wait here for the main process's files: a process that failed meanwhile would
        # end the main process while it writes
        if ranks.broadcast(late) and step < optimization.steps:
            raise SliceEnded(
                f"{stage}: stopped at step {step} of {optimization.steps}, time is up; run again "
                "to go on"
            )
    if average is not None:
        module.load_state_dict(average.state_dict())
    if ranks.is_main:
        show()
    return history


def generator_of(seed: int, stage: str, step: int, micro: int) -> torch.Generator:
    """The random generator that `fit` hands to the loss for a micro-batch of a step. Code that
    prepares batches ahead makes the same one and so draws the same samples."""
    return torch.Generator().manual_seed(derived_seed(seed, stage, step, micro))


def parts(batch: int, at_once: int) -> list[slice]:
    """The samples of a micro-batch in pieces of at most `at_once`."""
    return [slice(i, min(i + at_once, batch)) for i in range(0, batch, at_once)]


def halved(at_once: int, stage: str) -> int:
    """Half of the samples at a time, rounded up. Raises InputError where it is one already."""
    if at_once == 1:
        raise InputError(
            f"{stage}: out of memory with one sample at a time; set network.overrides: "
            "{checkpointing: true} or network.precision: bf16, lower rendering.size, or use a "
            "larger device"
        )
    fewer = -(-at_once // 2)
    log.warning(
        "%s: out of memory with %d samples at a time; goes on with %d, which leaves the steps' "
        "samples as they are",
        stage,
        at_once,
        fewer,
    )
    return fewer


def _factor(schedule: str, steps: int, warmup: float) -> Callable[[int], float]:
    """OneCycle with torch's defaults (start 1/25, end 1e-4 of that, cosine), or a constant."""
    if schedule == "constant":
        return lambda step: 1.0
    if schedule != "onecycle":
        raise InputError(f"schedule: {schedule!r} is unknown; expected onecycle or constant")
    up = max(warmup * steps, 1.0)

    def factor(step: int) -> float:
        def cosine(a: float, b: float, t: float) -> float:
            return b + (a - b) / 2 * (1 + math.cos(math.pi * min(max(t, 0.0), 1.0)))

        return (
            cosine(1 / 25, 1.0, step / up)
            if step < up
            else cosine(1.0, 1 / 25e4, (step - up) / max(steps - up, 1.0))
        )

    return factor


def write_record(out: Path, state: Path) -> None:
    """The file RECORD of a finished training whose state is in the folder `state`: the names of the
    backends of all its slices."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RECORD, {"backends": read_json(state / "progress.json")["backends"]})


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """A tab-separated table with the union of the columns, empty where a step has no value."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with atomic_write(path, "w") as file:
        file.write("\t".join(columns) + "\n")
        for row in history:
            file.write("\t".join("" if c not in row else f"{row[c]:.6g}" for c in columns) + "\n")
