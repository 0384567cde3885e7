"""Clears the caches of functions for a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_anew(*functions: Any) -> Iterator[None]:
    """Cached functions start the block with empty caches, and their caches are cleared again after
    it."""
    for function in functions:
        function.cache_clear()
    try:
        yield
    finally:
        for function in functions:
            function.cache_clear()
