"""Damages bytes, plain data and files, as a seeded generator says."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

ESCAPE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e"
"""Retitles the window, colours, clears, and turns the text around."""

POISON: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 2**200, 1.5, 1e308, float("nan"), "", ESCAPE, "A" * 100_000, "../../etc/passwd",
    "\ud800", [], {}, [[]], {"": {}}, [None] * 1000, "x.py:X",
)  # fmt: skip
"""What a field does not expect."""

DEEP = 50_000
"""Levels of nested lists."""


def damaged(data: bytes, random: Random, others: list[bytes]) -> bytes:
    """Return ``data`` with one to four wounds; ``others`` are files to splice with."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(WOUNDS)(data, random, others)
    return data


def no_plain_file(file: Path, random: Random) -> None:
    """Put something else where a plain file was: another kind of file, nothing, or any bytes."""
    what = random.randrange(6)
    if what == 0:
        os.mkfifo(file)
    elif what == 1:
        file.symlink_to("/dev/zero")
    elif what == 2:
        file.mkdir()
    elif what == 3:
        file.symlink_to(file.parent.parent / "elsewhere")
    elif what == 4:
        file.write_bytes(random.randbytes(5000))


def _flip(data: bytes, random: Random, others: list[bytes]) -> bytes:
    out = bytearray(data or b"\0")
    for _ in range(random.choice((1, 1, 2, 16))):
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def _cut(data: bytes, random: Random, others: list[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _remove(data: bytes, random: Random, others: list[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randrange(1, 64) :]


def _insert(data: bytes, random: Random, others: list[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randrange(1, 64)) + data[at:]


def _erase(data: bytes, random: Random, others: list[bytes]) -> bytes:
    at, size = random.randrange(len(data) + 1), random.randrange(1, 512)
    return data[:at] + bytes([random.choice((0, 0xFF))]) * len(data[at : at + size]) + data[at + size :]


def _repeat(data: bytes, random: Random, others: list[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at : at + 64] * random.randrange(2, 40) + data[at:]


def _splice(data: bytes, random: Random, others: list[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


WOUNDS: tuple[Callable[[bytes, Random, list[bytes]], bytes], ...] = (
    _flip, _flip, _cut, _remove, _insert, _erase, _repeat, _splice,
)  # fmt: skip


def poisoned(data: Any, random: Random) -> Any:
    """Return a copy of plain ``data`` in which one to three places hold what they should not, are
    gone, or are there twice.
    """
    made = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(made))
        if not places:
            return random.choice(POISON)
        holder, key = random.choice(places)
        _poison(holder, key, random, places)
    return made


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (holder, key) below ``data``."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def _poison(holder: Any, key: Any, random: Random, places: list[tuple[Any, Any]]) -> None:
    what = random.randrange(8)
    if what == 0:
        del holder[key]
    elif what == 1:
        other, of = random.choice(places)
        holder[key] = (
            copy.deepcopy(other[of]) if of in (other if isinstance(other, dict) else range(len(other))) else None
        )
    elif what == 2 and isinstance(holder, list):
        holder += [copy.deepcopy(holder[key])] * random.choice((1, 10, 1000))
    elif what == 3 and isinstance(holder, dict):
        holder[ESCAPE if random.randrange(2) else "unknown"] = holder.pop(key)
    elif what == 4 and isinstance(holder[key], int):
        holder[key] += random.choice((-1, 1, 7, -(1 << 40), 1 << 62))
    elif what == 5 and isinstance(holder[key], str):
        holder[key] += random.choice((ESCAPE, "\n", "\0", " ", "A" * 5000))
    else:
        holder[key] = copy.deepcopy(random.choice(POISON))
