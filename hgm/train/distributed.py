"""Processes that share the micro-batches of a training step, one on each device of a machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hgm.core.devices import check_shares
from hgm.core.processes import stopped_by, use_threads
from hgm.errors import InputError, Interrupted, SliceEnded

# of a collective call, while the main process validates, writes or compiles; a process that ended
# is noticed at once
TIMEOUT = timedelta(hours=2)
RAISED = (InputError, Interrupted, SliceEnded, OSError)


@dataclass(frozen=True)
class Ranks:
    """This process among those of a training.

    Methods that combine numbers of the processes wait for all of them, so that each process has to
    call them equally often and in the same order.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and decides for the others."""
        return self.rank == 0

    def micro_batches(self, count: int) -> range:
        """Which of a step's `count` micro-batches are this process's."""
        return range(self.rank, count, self.size)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients over all processes, in place."""
        self._all_reduce([p.grad for p in parameters if p.grad is not None])

    @contextlib.contextmanager
    def statistics(self, module: nn.Module) -> Iterator[None]:
        """A context in which a micro-batch moves the running statistics of batch norm as far as
        `size` micro-batches would.

        With `merge_statistics` after each step they are those of one process that sees all
        micro-batches in their order.
        """
        norms = _norms(module) if self.size > 1 else {}
        for norm, momentum in norms.items():
            norm.momentum = 1 - (1 - momentum) ** self.size
        try:
            yield
        finally:
            for norm, momentum in norms.items():
                norm.momentum = momentum

    def merge_statistics(self, module: nn.Module) -> None:
        """Mean of the running statistics over all processes, in place; a later micro-batch weighs
        more, as in one process."""
        norms = _norms(module) if self.size > 1 else {}
        buffers = [
            (b, m)
            for norm, m in norms.items()
            for b in (norm.running_mean, norm.running_var)
            if b is not None
        ]
        for buffer, momentum in buffers:
            kept = 1 - momentum
            buffer *= momentum * kept ** (self.size - 1 - self.rank) / (1 - kept**self.size)
        self._all_reduce([b for b, _ in buffers])

    def add(self, numbers: Tensor) -> Tensor:
        """Sum of `numbers` over all processes."""
        if self.size > 1:
            numbers = numbers.clone()
            dist.all_reduce(numbers)
        return numbers

    def broadcast(self, flag: bool) -> bool:
        """The flag of the main process, sent to all."""
        if self.size == 1:
            return flag
        answer = torch.tensor(int(flag), device=_device())
        dist.broadcast(answer, 0)
        return bool(answer)

    def _all_reduce(self, tensors: list[Tensor]) -> None:
        """Sum tensors over all processes, in place."""
        if self.size == 1 or not tensors:
            return
        # one message; many small ones would wait for each other
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


SINGLE = Ranks()


def _norms(module: nn.Module) -> dict[nn.modules.batchnorm._BatchNorm, float]:
    """Layers that keep running statistics, and their momenta."""
    layers = (
        m
        for m in module.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    )
    return {m: m.momentum for m in layers if m.momentum}


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


def device_of(ranks: Ranks, device: str) -> str:
    """The device of one process: `cuda` becomes the GPU of its rank."""
    return f"cuda:{ranks.rank}" if device == "cuda" and ranks.size > 1 else device


def check_ranks(size: int, accumulate: int, device: str, stage: str) -> None:
    """Raises InputError when `size` processes cannot share a step or lack a GPU each."""
    check_shares(stage, size, accumulate)
    if device == "cuda" and torch.cuda.device_count() < size:
        raise InputError(
            f"{stage}.gpus: {size} asked for, {torch.cuda.device_count()} visible; lower it or "
            "ask for more"
        )


def launch(size: int, device: str, function: Callable[..., None], *args: Any) -> None:
    """`function(ranks, *args)` in `size` new processes, joined by NCCL on GPUs, by Gloo on a
    CPU.

    The first error of a process ends the others; those of RAISED are raised here as they are, and a
    process that was killed gives Interrupted. No process leaves before all have come to the end.
    Arguments must be picklable.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        errors = context.SimpleQueue()
        try:
            torch.multiprocessing.spawn(
                _run_rank,
                (size, device, f"file://{folder}/rendezvous", errors, function, args),
                nprocs=size,
            )
        except (
            torch.multiprocessing.ProcessRaisedException,
            torch.multiprocessing.ProcessExitedException,
        ) as error:
            if not errors.empty():
                raise errors.get() from None
            by = stopped_by(getattr(error, "exit_code", 0))
            if by is not None:
                raise Interrupted(
                    f"process {error.error_index} of {size} was stopped by {by}; SIGKILL without "
                    "anybody's doing means that the machine's memory ran out"
                ) from None
            raise


def _run_rank(
    rank: int,
    size: int,
    device: str,
    rendezvous: str,
    errors: Any,
    function: Callable[..., None],
    args: tuple[Any, ...],
) -> None:
    ranks = Ranks(rank, size)
    use_threads(1)
    if device == "cuda":
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        init_method=rendezvous,
        rank=rank,
        world_size=size,
        timeout=TIMEOUT,
    )
    try:
        function(ranks, *args)
        ranks.broadcast(True)  # the main process may still be writing
    except RAISED as error:
        errors.put(error)
        raise SystemExit(1) from None
    dist.destroy_process_group()
