"""Seeded faults of files, as crashes, bad disks, bad downloads and foreign scripts make them."""

import copy
import random
import re
from collections.abc import Callable
from typing import Any

HUGE = (
    "1e999",
    "-1e999",
    "1e308",
    "99999999999999999999",
    "-1",
    "0",
    "nan",
    "inf",
    "1" * 5000,
    "2147483648",
    "0x10",
    "1e-320",
)
WORDS = (
    "",
    "null",
    "true",
    "text",
    "\x00",
    "\x1b[2J",
    "\u2028",
    "é",
    "2001-99-99",
    "a/b\\c",
    "x" * 5000,
    "[" * 3000,
    "{",
    "*a",
    "&a [*a]",
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    10**18,
    10**400,
    -(2**63),
    1e308,
    float("nan"),
    float("inf"),
    "",
    "text",
    "a\nb",
    "x" * 5000,
    [],
    {},
    [[1.0], [2.0, 3.0]],
    [None],
    {"a": {"b": 1}},
    [[[[0.0]]]],
)
NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flipped_head(data: bytes, rng: random.Random) -> bytes:
    """Faults in the first bytes, where formats keep their lengths and names."""
    size = min(len(data), 400)
    return flipped(data[:size], rng) + data[size:]


def _pieces(data: bytes, rng: random.Random) -> tuple[bytes, bytes, bytes, bytes]:
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a], data[a:b], data[b:c], data[c:]


def swapped(data: bytes, rng: random.Random) -> bytes:
    a, b, c, d = _pieces(data, rng)
    return a + c + b + d


def doubled(data: bytes, rng: random.Random) -> bytes:
    a, b, c, d = _pieces(data, rng)
    return a + b + b + c + d


def removed(data: bytes, rng: random.Random) -> bytes:
    a, _, c, d = _pieces(data, rng)
    return a + c + d


def zeroed(data: bytes, rng: random.Random) -> bytes:
    a, b, c, d = _pieces(data, rng)
    return a + bytes(len(b)) + c + d


def huge_number(data: bytes, rng: random.Random) -> bytes:
    """One number of a text becomes too large for any type."""
    found = list(NUMBER.finditer(data))
    if not found:
        return cut(data, rng)
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(HUGE).encode() + data[match.end() :]


def odd_word(data: bytes, rng: random.Random) -> bytes:
    """One word of a text becomes another."""
    found = list(re.finditer(rb"[^\s:,]+", data))
    if not found:
        return cut(data, rng)
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(WORDS).encode() + data[match.end() :]


def lines_changed(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(True)
    i = rng.randrange(len(lines))
    j = rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


BINARY: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    cut,
    flipped,
    flipped_head,
    swapped,
    doubled,
    removed,
    zeroed,
)
TEXT = (*BINARY, huge_number, huge_number, odd_word, odd_word, lines_changed)


def binary(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(BINARY)(data, rng)


def text(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(TEXT)(data, rng)


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of nested lists and dicts; of a long list only a few."""
    keys = (
        list(data)
        if isinstance(data, dict)
        else list(range(len(data)))[:3]
        if isinstance(data, list)
        else []
    )
    return [place for key in keys for place in [(data, key), *_places(data[key])]]


def structure(data: Any, rng: random.Random, wrong: tuple[Any, ...] = WRONG) -> Any:
    """A copy of nested plain data with one value removed, added, or replaced by a value of a wrong
    type, size or range."""
    if rng.random() < 0.1:
        return rng.choice(wrong)
    changed = copy.deepcopy(data)
    container, key = rng.choice(_places(changed))
    kind = rng.randrange(5)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[rng.choice(("extra", "a\nb", "\x1b[0m"))] = container[key]
    elif kind == 2:
        container[key] = [container[key]]
    else:
        container[key] = rng.choice(wrong)
    return changed
