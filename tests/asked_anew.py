"""Answers that a process remembers, forgotten for a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_anew(*functions: Any) -> Iterator[None]:
    """Cached functions know nothing at the beginning of the block, and nothing of it after."""
    for function in functions:
        function.cache_clear()
    try:
        yield
    finally:
        for function in functions:
            function.cache_clear()
