"""What is compared: the state of a program's processes, in the same words for the model and for the
running kernel.

A page frame has one number in the model and another in the kernel. An observation names frames by
small numbers instead, given in the order in which a walk over the processes and their pages first
meets them (:class:`FrameNames`). Two observations are then equal if the same pages share a frame,
and if a page has kept its frame since the operation before.

The contents of pages are *tokens*, words that tell which store, or which page of which file, they
come from; both sides write the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

PAGE_BYTES = 4096
PAGE_KIB = PAGE_BYTES // 1024
"""Pages are 4 KiB throughout: the agent code is x86-64's, which has no other base page."""

HUGE = 9
"""The order of the folios that a PMD maps. The model maps by PTEs only, so that these folios are
split into PTEs, or avoided, before they are compared.
"""

TOKEN_SHIFT = 12
"""Operation ``number`` of a program stores ``number + 1 << TOKEN_SHIFT``, plus the page in its
range.
"""

FILE_TOKEN = 1 << 40
"""Page i of file f begins with ``FILE_TOKEN * (f + 1) + i``; no store has a token as large."""


def token_of(number: int) -> int:
    """Return the word that operation ``number`` stores to the first page of its range."""
    return number + 1 << TOKEN_SHIFT


def file_token(file: int, index: int) -> int:
    """Return the word at the beginning of a page of a file, when a program begins."""
    return FILE_TOKEN * (file + 1) + index


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


ZERO_PAGE = Page(0, 0, False, False, False, 0, 0, False, 0)
"""The zero page, of which nothing else is compared: the kernel counts no mapping of it."""


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


class FrameNames:
    """Names frames, from one observation of a program to the next.

    A frame keeps its name for as long as each observation sees it at the same *place*: this tells a
    page that was reused from a page that was copied. A frame that an observation did not see may
    have been freed and allocated again since, so it gets a new name. A frame that is seen at
    another place gets one too: an operation may free a frame and be given it again. The place of an
    anonymous page is its address, which it never leaves; the place of a file's page is FILE,
    wherever it is mapped.
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
