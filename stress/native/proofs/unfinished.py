"""A search on disk that is not finished: what another process needs to go on with it.

It is taken up only where nothing has changed: the space begins in the same state, with the same
table, and each function of the kernel has the same text. A line of JSON comes first, and then the
words of the search (``resume.c``). A file that is damaged, or of another space, is nothing: the
search begins anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from stress.errors import StorageError
from stress.files import DAMAGED, MIB, make_folder, read_plain, write_atomically
from stress.native.files import digest_of
from stress.native.proofs.certificate import basis_of
from stress.native.search.explore import Exploration
from stress.native.search.space import Earlier

FORMAT = 1
SUFFIX = ".search"
FILE_MIB_MAX = 1024
"""A search with more states than fit is not kept."""

KEPT_FROM = 10.0
"""Seconds that a search has to take to be kept: what takes less is soon made again."""

KEPT_EVERY, KEPT_SHARE = 30.0, 0.05
"""Seconds between two times, and the most that keeping may take of the time."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a search besides its words: the space that it is of, their hash, how long it
    took so far, and what ran in it.
    """

    format: int
    space: str
    words: str
    seconds: float
    functions: tuple[str, ...]
    overrides: dict[str, int]


@dataclass
class Keeper:
    """Keeps one search in ``file``, and takes it up; or does neither, if it is not ``kept``.
    Seconds are those of ``clock``.
    """

    file: Path
    exploration: Exploration
    kept: bool
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.before = 0.0
        """Seconds that earlier processes have had for it."""
        self.began = self.clock()
        self.due = self.began + KEPT_FROM
        self.space = self.exploration.space

    @cached_property
    def name(self) -> str:
        """The hash of all that decides what the space is."""
        return digest_of(repr(asdict(basis_of(self.space, everything=True))))

    def spent(self) -> float:
        """Return the seconds that this process has had for it."""
        return self.clock() - self.began

    def take_up(self) -> bool:
        """Go on where an earlier process stood; return whether there was such a search."""
        head, words = read(self.file) if self.kept else (None, b"")
        if head is None or head.space != self.name or not self.exploration.take_up(words):
            return False
        self.before = head.seconds
        self.space.earlier = Earlier(head.functions, head.overrides)
        return True

    def look(self) -> None:
        """Keep the search if it is time to."""
        if self.kept and self.clock() >= self.due:
            self.keep()

    def keep(self) -> None:
        """Keep the search as it stands, if it has taken long enough. A disk that is full keeps
        nothing, and ends nothing.
        """
        now = self.clock()
        if not self.kept or self.before + now - self.began < KEPT_FROM:
            return
        words = self.exploration.kept()
        if len(words) <= (FILE_MIB_MAX - 1) * MIB:
            head = Head(
                FORMAT, self.name, _hash(words), self.before + now - self.began,
                tuple(self.space.functions_ran()), self.space.override_runs(),
            )  # fmt: skip
            with suppress(StorageError):
                make_folder(self.file.parent)
                write_atomically(self.file, msgspec.json.encode(head) + b"\n" + words)
        cost = self.clock() - now
        self.due = now + cost + max(KEPT_EVERY, cost / KEPT_SHARE)

    def forget(self) -> None:
        """Remove the file: the search has come to its end."""
        if self.kept:
            with suppress(OSError):
                self.file.unlink()


def read(file: Path) -> tuple[Head | None, bytes]:
    """Return what a file holds; None if that is no search."""
    try:
        line, _, words = read_plain(file, FILE_MIB_MAX, links=False).partition(b"\n")
        head = msgspec.json.decode(line, type=Head)
    except DAMAGED:
        return None, b""
    return (head, words) if head.format == FORMAT and head.words == _hash(words) else (None, b"")


def _hash(words: bytes) -> str:
    return hashlib.blake2b(words, digest_size=16).hexdigest()
