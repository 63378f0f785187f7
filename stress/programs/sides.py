"""What an operation can use where it runs: in the model, or in real processes."""

from __future__ import annotations

from typing import Protocol

from sim.task import Task
from stress.programs.space import Space


class ModelSide(Protocol):
    """Threads of the model."""

    space: Space

    def task(self, who: int) -> Task:
        """Return a thread."""

    async def store(self, who: int, page: int, offset: int = 0) -> int:
        """Store the running operation's word plus ``offset`` to a page; return 0, or -1 for a
        segmentation fault.
        """

    async def load(self, who: int, page: int) -> int:
        """Load from a page; return what is there, or -1 for a segmentation fault."""

    async def mmap(self, who: int, start: int, nr: int, file: int, shared: bool, pgoff: int) -> int:
        """Map ``nr`` pages of a file, or of anonymous memory if ``file`` is -1; return 0 or a
        negative errno.
        """


class LinuxSide(Protocol):
    """Threads of the running kernel."""

    def store(self, who: int, page: int, nr: int = 1) -> int:
        """Store the running operation's word, plus 1 for each page on, to ``nr`` pages; return 0,
        or -1 for a segmentation fault.
        """

    def load(self, who: int, page: int) -> int:
        """Load from a page; return what is there, or -1 for a segmentation fault."""

    def mmap(self, who: int, start: int, nr: int, file: int, shared: bool, pgoff: int) -> int:
        """Map ``nr`` pages of a file, or of anonymous memory if ``file`` is -1; return 0 or a
        negative errno.
        """

    def munmap(self, who: int, start: int, nr: int) -> int:
        """munmap(); return 0 or a negative errno."""

    def madvise(self, who: int, start: int, nr: int, advice: int) -> int:
        """madvise(); return 0 or a negative errno."""

    def sync_file_range(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """Write pages of a file out, and wait for it; return 0 or a negative errno."""

    def ftruncate(self, who: int, file: int, halves: int) -> int:
        """ftruncate() of a file to so many half pages; return 0 or a negative errno."""

    def punch_hole(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """fallocate() of a hole of pages in a file; return 0 or a negative errno."""

    def direct_write(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """Read pages with O_DIRECT and write them back; return 0 or a negative errno."""

    def fork(self, who: int) -> int:
        """fork(); return 0 or a negative errno."""

    def thread(self, who: int) -> int:
        """Start a thread; return 0 or a negative errno."""

    def exit(self, who: int) -> int:
        """End a thread, and wait for it; return 0."""
