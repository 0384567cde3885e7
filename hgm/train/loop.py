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
from collections.abc import Callable, Mapping, Sequence
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
from hgm.train.growth import Growing, follow, follow_average
from hgm.train.optimizers import make_optimizer
from hgm.train.schedules import factor_of
from hgm.train.settings import Optimization, Optimizer, Schedule
from hgm.train.state import Cadence, State

log = logging.getLogger(__name__)
# a step and its row of the history, to which it may add
Hook = Callable[[int, dict[str, float]], None]
LossFn = Callable[[int, torch.Generator, slice], tuple[Tensor, dict[str, Tensor]]]
# samples of a micro-batch, where they change: of a step, counted from 0
BatchOf = Callable[[int], int]
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
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    batch: int | BatchOf = 1,
    ranks: Ranks = SINGLE,
    deadline: Deadline | None = None,
    validate: Callable[[int], Mapping[str, float]] | None = None,
    validate_every: int = 0,
    snapshots: Mapping[int, Callable[[], None]] | None = None,
    hooks: Sequence[Hook] = (),
    save_seconds: float = 30.0,
    backends: Mapping[str, str] | None = None,
    relief: str = "use a larger device",
    remedy: str | None = None,
) -> list[dict[str, float]]:
    """Train `module` (its parameters that require gradients) in place and return the history, one
    row a step.

    `loss(micro_step, generator, part)` draws the `batch` samples of a micro-batch and returns the
    mean over those of `part`, with scalars to log; `generator` is a CPU generator that depends on
    (seed, step, micro-batch) only. `part` is all samples until a device runs out of memory; then
    the step is done again with half as many samples at a time, down to one, and the gradients of
    the parts are summed: a step sees the same samples and the loss curve stays (batch statistics
    apart). `batch` may differ from step to step: a function of the step, counted from 0. A module
    with a method `evolve` grows (`hgm.train.growth`).

    State goes to the folder `state`; a killed call goes on from it and, on one model of CPU, ends
    with the same bits as an undisturbed one. The processes of a `ranks` share each step's
    micro-batches and end with equal weights; the main process writes. It calls `snapshots[step]()`
    after that many steps (again, with the same weights, after a resume) and each of `hooks` with
    the step and its row of the history after every step. With `ema` > 0 the averaged weights are in
    `module` at the end. `backends`: what the loss works with, by kind; the state keeps those of all
    slices for `write_record`. Raises SliceEnded at the deadline and InputError when the loss is not
    finite, with `remedy`, what helps (a lower `<stage>.lr`, where it is not given), or when one
    sample at a time needs too much memory, with `relief`.
    """
    training = _Training(
        module,
        loss,
        optimization,
        optimizer or Optimizer(),
        schedule or Schedule(),
        stage=stage,
        seed=seed,
        state=state,
        batch=batch,
        ranks=ranks,
        save_seconds=save_seconds,
        relief=relief,
        remedy=remedy or f"lower {stage}.lr",
    )
    training.note_backends(backends or {})
    if ranks.is_main:
        training.show()  # before the first steps, which may take long
    while training.step < optimization.steps:
        row = training.learn()
        step = training.step
        if ranks.is_main:
            watched = validate_every and (step % validate_every == 0 or step == optimization.steps)
            if validate is not None and watched:
                module.eval()
                row.update(validate(step))
            if snapshots and step in snapshots:
                snapshots[step]()
            for hook in hooks:
                hook(step, row)
        training.keep(deadline)
    return training.ended()


class _Training:
    """A training under way: the module with all that its next step depends on."""

    def __init__(
        self,
        module: nn.Module,
        loss: LossFn,
        optimization: Optimization,
        optimizer: Optimizer,
        schedule: Schedule,
        *,
        stage: str,
        seed: int,
        state: Path,
        batch: int | BatchOf,
        ranks: Ranks,
        save_seconds: float,
        relief: str,
        remedy: str,
    ) -> None:
        self.module = module
        self.loss = loss
        self.optimization = optimization
        self.stage = stage
        self.seed = seed
        steps = range(optimization.steps)
        self.batch_of: BatchOf = batch if callable(batch) else lambda step: batch
        largest = max(map(batch, steps)) if callable(batch) else batch
        self.ranks = ranks
        self.relief = relief
        self.remedy = remedy
        self.device = next(module.parameters()).device
        self.average = copy.deepcopy(module).requires_grad_(False) if optimization.ema > 0 else None
        self.stored = State(state, module, self.average)
        self.optimizer = make_optimizer(module, optimization, optimizer)
        self.rates = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, factor_of(schedule, optimization.steps)
        )
        found = self.stored.load(self.optimizer, self.rates)
        self.step: int = found.get("step", 0)
        self.at_once = min(largest, found.get("at_once", largest))
        self.history: list[dict[str, float]] = found.get("history", [])
        self.backends = {kind: list(names) for kind, names in found.get("backends", {}).items()}
        self.progress = Progress(stage, optimization.steps)
        self.progress.resume(self.step)
        self.cadence = Cadence(self.stored.bytes, shortest=save_seconds)
        self.shown_at = time.monotonic()

    def note_backends(self, backends: Mapping[str, str]) -> None:
        """Add what the steps to come work with to what earlier slices did."""
        if self.step < self.optimization.steps:
            for kind, name in backends.items():
                self.backends[kind] = sorted({*self.backends.get(kind, []), name})

    def learn(self) -> dict[str, float]:
        """One step of the optimizer; returns its row of the history."""
        self.module.train()
        sums = self._gradients_in_memory()
        # read once a step: each reading makes a GPU wait
        values = self.ranks.add(torch.stack(list(sums.values()))).tolist()
        logs: dict[str, float] = dict(zip(sums, values, strict=True))
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"{self.stage}: the loss is {logs['loss']} at step {self.step}; {self.remedy} and "
                "start again"
            )
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.ranks.add_gradients(parameters)
        self.ranks.merge_statistics(self.module)
        logs["grad_norm"] = float(nn.utils.clip_grad_norm_(parameters, self.optimization.clip))
        logs["lr"] = float(self.rates.get_last_lr()[0])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.rates.step()
        self.step += 1
        self._average()
        self._grow()
        self.history.append({"step": self.step, **logs})
        return self.history[-1]

    def _gradients_in_memory(self) -> dict[str, Tensor]:
        """The gradients of the step, with fewer samples at a time once the device is full."""
        buffers = [b.clone() for b in self.module.buffers()] if self.at_once > 1 else []
        while True:
            # only after the block are the failed step's tensors let go
            with (
                contextlib.suppress(torch.OutOfMemoryError),
                self.ranks.statistics(self.module),
            ):
                return self._gradients()
            tried = min(self.at_once, self.batch_of(self.step))
            self.at_once = halved(tried, self.stage, self.relief)
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, before in zip(self.module.buffers(), buffers, strict=True):
                buffer.copy_(before)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _gradients(self) -> dict[str, Tensor]:
        """Add up the gradients of this process's micro-batches; returns the sums to log."""
        accumulate = self.optimization.accumulate
        batch = self.batch_of(self.step)
        sums: dict[str, Tensor] = {}
        for micro in self.ranks.micro_batches(accumulate):
            for part in parts(batch, self.at_once):
                generator = generator_of(self.seed, self.stage, self.step, micro)
                share = (part.stop - part.start) / batch / accumulate
                beginning = [part.start] if part.start else []
                names = (self.seed, self.stage, self.step, micro, "global", *beginning)
                on_gpu = [self.device] if self.device.type == "cuda" else []
                with torch.random.fork_rng(devices=on_gpu):
                    torch.manual_seed(derived_seed(*names))
                    value, numbers = self.loss(self.step * accumulate + micro, generator, part)
                    (value * share).backward()
                for key, number in {"loss": value, **numbers}.items():
                    scaled = number.detach() * share
                    sums[key] = sums[key] + scaled if key in sums else scaled
        return sums

    def _average(self) -> None:
        if self.average is None:
            return
        decay = min(self.optimization.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.module.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            for copied, buffer in zip(self.average.buffers(), self.module.buffers(), strict=True):
                copied.copy_(buffer)

    def _grow(self) -> None:
        """Let a growing module change its parameters, and the rest follow."""
        if not isinstance(self.module, Growing):
            return
        before = dict(self.module.named_parameters())
        generator = torch.Generator().manual_seed(
            derived_seed(self.seed, self.stage, self.step, "evolve")
        )
        with torch.no_grad():
            kept = self.module.evolve(self.step, generator)
        follow(self.optimizer, before, self.module, kept)
        if self.average is not None:
            follow_average(self.average, self.module, kept)

    def keep(self, deadline: Deadline | None) -> None:
        """Write the state when it is time to. Raises SliceEnded at the deadline."""
        steps = self.optimization.steps
        late = deadline is not None and deadline.passed(self.cadence.reserve)
        if self.ranks.is_main:
            self.progress.update(self.step, f"loss {self.history[-1]['loss']:.4f}")
            if late or self.step == steps or self.cadence.due():
                self.cadence.write(self._save)
                self.shown_at = time.monotonic()
            elif time.monotonic() - self.shown_at > SHOW_SECONDS:
                self.show()
                self.shown_at = time.monotonic()
        # the others wait here for the main process's files: a process that failed meanwhile would
        # end the main process while it writes
        if self.ranks.broadcast(late) and self.step < steps:
            raise SliceEnded(
                f"{self.stage}: stopped at step {self.step} of {steps}, time is up; run again to "
                "go on"
            )

    def ended(self) -> list[dict[str, float]]:
        """The history, with the averaged weights in the module where there are any."""
        if self.average is not None:
            self.module.load_state_dict(self.average.state_dict())
        if self.ranks.is_main:
            self.show()
        return self.history

    def _save(self) -> None:
        self.stored.save(
            self.optimizer,
            self.rates,
            step=self.step,
            history=self.history,
            at_once=self.at_once,
            backends=self.backends,
        )
        self.show()

    def show(self) -> None:
        """Write progress.json, which `hgm status` reads."""
        with atomic_write(self.stored.folder / "progress.json", "w") as file:
            json.dump(
                {
                    "stage": self.stage,
                    "steps": self.optimization.steps,
                    "rate": self.progress.rate(self.step),
                    "at_once": self.at_once,
                    "backends": self.backends,
                    **(self.history[-1] if self.history else {}),
                    "step": self.step,
                },
                file,
            )


def generator_of(seed: int, stage: str, step: int, micro: int) -> torch.Generator:
    """The random generator that `fit` hands to the loss for a micro-batch of a step. Code that
    prepares batches ahead makes the same one and so draws the same samples."""
    return torch.Generator().manual_seed(derived_seed(seed, stage, step, micro))


def parts(batch: int, at_once: int) -> list[slice]:
    """The samples of a micro-batch in pieces of at most `at_once`."""
    return [slice(i, min(i + at_once, batch)) for i in range(0, batch, at_once)]


def halved(at_once: int, stage: str, relief: str) -> int:
    """Half of the samples at a time, rounded up. Raises InputError where it is one already, with
    `relief`, what helps."""
    if at_once == 1:
        raise InputError(f"{stage}: out of memory with one sample at a time; {relief}")
    fewer = -(-at_once // 2)
    log.warning(
        "%s: out of memory with %d samples at a time; goes on with %d, which leaves the steps' "
        "samples as they are",
        stage,
        at_once,
        fewer,
    )
    return fewer


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
