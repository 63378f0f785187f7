"""What is seen of a world after an operation, in words that a model and a real kernel share.

Frames are named by small numbers in the order in which a walk over the processes and their pages
first meets them, so that two observations are equal if the same pages are the same frame, and as
they were before, whatever the frame is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Page(NamedTuple):
    """A present page of a process."""

    frame: int
    """The frame's name, of those that are counted; 0 is the zero page."""
    mapcount: int
    once: bool
    """Whether it is mapped exactly once (bit 56 of pagemap)."""
    anon: bool
    exclusive: bool
    """PG_anon_exclusive, of the folio's first page: kpageflags shows that one's for all
    (stable_page_flags).
    """
    order: int
    """Of its folio."""
    place: int
    """Which page of its folio it is."""
    dirty: bool
    """PG_dirty of its folio."""
    content: int
    """The word at its beginning."""


class Vma(NamedTuple):
    """A mapping, with what smaps says of it, in pages but for ``pss``."""

    start: int
    end: int
    shared: bool
    file: int
    """Number of the file, or -1."""
    pgoff: int
    """First page of the file; 0 if there is none."""
    rss: int
    pss: int
    """KiB."""
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    anonymous: int


class Process(NamedTuple):
    """A process."""

    pages: dict[int, Page]
    """By page number."""
    vmas: tuple[Vma, ...]
    rss: tuple[int, int, int]
    """Pages in RssAnon, RssFile, RssShmem."""
    tables: int
    """Page tables of the lowest level."""


@dataclass(frozen=True)
class Observation:
    """A world: what the operation returned, and the processes by number."""

    returned: int
    processes: dict[int, Process]


class Difference(NamedTuple):
    """Something that the two sides do not agree on."""

    what: str
    """The field: as ``page.mapcount``, ``vma.rss``, ``rss``."""
    where: str
    model: object
    kernel: object

    def __str__(self) -> str:
        return f"{self.what} of {self.where}: model {self.model}, kernel {self.kernel}"


class Frames:
    """Names frames, from one observation of a program to the next: a frame keeps its name for as
    long as it is seen.

    That tells a page that was reused from one that was copied. A frame that was not seen may be
    another page's by the time it is seen again, so it gets another name; and so does one that is
    seen elsewhere, since an operation may free it and be given it again. The *place* of an
    anonymous page is its address, which it never leaves; that of a file's page is FILE, wherever it
    is mapped.
    """

    FILE = -1

    def __init__(self, zero: int) -> None:
        self.zero, self.last = zero, 0
        self.named = {zero: 0}
        self.seen: dict[tuple[int, int], int] = {}
        """(frame, place) -> name, of this observation; ``kept``: of the last."""
        self.kept: dict[tuple[int, int], int] = {}

    def begin(self) -> None:
        """A new observation begins: what the last one saw is kept."""
        self.kept, self.seen, self.named = self.seen, {}, {self.zero: 0}

    def name(self, frame: int, place: int) -> int:
        """Return the name of a frame, which is kept or new."""
        if frame not in self.named:
            if (frame, place) not in self.kept:
                self.last += 1
            self.named[frame] = self.kept.get((frame, place), self.last)
        self.seen[frame, place] = self.named[frame]
        return self.named[frame]
