"""fork() in one thread, MADV_DONTNEED in another, and the child, which drops its own copy of the
same range.

DONTNEED needs the mmap lock for reading only, fork for writing: they take turns, in either order,
and the range that the parent drops after the fork is one whose PTEs have just been write-protected
and flushed. Then parent and child zap the same folios at once, under different PTLs, and the
parent's thread faults the range in again.
"""

from __future__ import annotations

from scenarios._forking import Forking


class ForkVsDontneed(Forking):
    """``middle``: only the folio's middle is dropped."""

    choices = {"middle": (0, 1)}

    @property
    def warm(self) -> int:
        return self.nr // 2

    def dropped(self) -> tuple[int, int]:
        """The range that both sides drop: (first page, pages)."""
        return (self.nr // 4, max(1, self.nr // 2)) if self.params["middle"] else (0, self.nr)

    async def other(self) -> None:
        await self.task(1).dontneed(*self.dropped())
        await self.task(1).store(self.nr // 2)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).dontneed(*self.dropped())
