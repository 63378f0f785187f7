"""The processes and threads of a program, and what they have mapped: all that generating and
shrinking need to know of a state. No memory and no kernel is involved.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

PROCESSES_MAX, THREADS_MAX = 4, 6
"""Totals over a program's lifetime; ids of exited processes and threads are not reused."""

WRITTEN, HOLES, FILLED = range(3)
"""A file has a block for each page; may have holes; may have blocks of zeroes, which only the disk
tells from holes.
"""


@dataclass(frozen=True)
class File:
    """A file whose pages are all in the page cache when the program begins."""

    memfd: bool
    """Shared memory; else a regular file."""
    pages: int
    order: int
    """Of its folios. Those of a regular file are made when it is written, those of shared memory by
    the first store to them.
    """
    clean: bool = False
    """Written out before the program begins; shared memory never is."""


@dataclass(frozen=True)
class Region:
    """A mapping, of pages [start, end)."""

    start: int
    end: int
    file: int = -1
    """Number of the file; -1 is anonymous."""
    shared: bool = False
    pgoff: int = 0

    def part(self, start: int, end: int) -> Region:
        """Return the part [start, end) of the region."""
        return replace(self, start=start, end=end, pgoff=self.pgoff + (start - self.start if self.file >= 0 else 0))


@dataclass
class Space:
    """The processes of a program, in a window of ``pages`` pages from page ``first`` on."""

    first: int
    pages: int
    files: tuple[File, ...]
    regions: dict[int, list[Region]] = field(default_factory=lambda: {0: []})
    """By process, ascending."""
    threads: dict[int, int] = field(default_factory=lambda: {0: 0})
    """Thread -> process, of the living threads."""
    processes: int = 1
    """Processes made so far."""
    slots: int = 1
    """Threads made so far."""
    sizes: list[int] = field(init=False)
    """Of the files, in half pages."""
    holes: list[int] = field(init=False)
    """What is known of holes in each file: WRITTEN, HOLES or FILLED."""

    def __post_init__(self) -> None:
        self.sizes = [2 * file.pages for file in self.files]
        self.holes = [WRITTEN] * len(self.files)

    def at(self, who: int, page: int) -> Region | None:
        """Return the region of a thread's process that holds ``page``."""
        return next((r for r in self.regions[self.threads[who]] if r.start <= page < r.end), None)

    def mapped(self, process: int, start: int, end: int) -> int:
        """Return how many pages of [start, end) are mapped."""
        return sum(max(0, min(end, r.end) - max(start, r.start)) for r in self.regions[process])

    def parts(self, process: int, start: int, end: int) -> list[Region]:
        """Return the parts of the regions of a process that lie in [start, end)."""
        return [
            region.part(max(start, region.start), min(end, region.end))
            for region in self.regions[process]
            if region.start < end and region.end > start
        ]

    def whole(self, file: int, pgoff: int, nr: int) -> bool:
        """Return whether ``nr`` pages of a file from ``pgoff`` on are whole folios."""
        return not (pgoff | nr) & (1 << self.files[file].order) - 1

    def unmap(self, process: int, start: int, end: int) -> None:
        """Take [start, end) out of the regions of a process."""
        left = []
        for region in self.regions[process]:
            if region.start < start:
                left.append(region.part(region.start, min(start, region.end)))
            if region.end > end:
                left.append(region.part(max(end, region.start), region.end))
        self.regions[process] = left

    def map(self, process: int, region: Region) -> None:
        """Add a region, in a place that is free."""
        self.regions[process] = sorted([*self.regions[process], region], key=lambda r: r.start)

    def fork(self, process: int) -> int:
        """Copy a process; return the number of the copy, which has no thread yet."""
        child, self.processes = self.processes, self.processes + 1
        self.regions[child] = list(self.regions[process])
        return child

    def thread(self, process: int) -> int:
        """Give a process a thread; return its number."""
        new, self.slots = self.slots, self.slots + 1
        self.threads[new] = process
        return new

    def exit(self, who: int) -> bool:
        """End a thread; return whether its process ends with it."""
        process = self.threads.pop(who)
        if process in self.threads.values():
            return False
        del self.regions[process]
        return True
