"""Helpers for the choice of a backend: number a device, shorten an error, log a line once."""

from __future__ import annotations

import logging
from functools import cache

import torch

LONGEST = 200  # characters of a failure in a phrase


def indexed(device: torch.device | str) -> torch.device:
    """The device with an index: `cuda` becomes the current CUDA device, where there is one."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return device


def failure(error: BaseException) -> str:
    """An exception of other people's code as a phrase: its class and the first line of its
    message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:LONGEST]


@cache
def say_once(line: str, log: logging.Logger, level: int = logging.INFO) -> None:
    """Log a line, at most once a process."""
    log.log(level, "%s", line)
