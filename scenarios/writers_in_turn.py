"""fork() in one thread and munmap() in another, one after the other, while a third thread writes to
what both are about.

Each holds the mmap lock for writing and write-locks the same VMA. The locks of VMAs open all at
once, when the hold ends, and the next hold begins with none: a fault that comes between the two, or
in the second, must find the VMA either open and still there, or locked.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._forking import Forking
from sim.setup import start
from stress.scenario import Body


class WritersInTurn(Forking):
    """``half``: which half of the memory is unmapped, 2 for all. The child is never scheduled."""

    choices = {"half": (0, 1, 2)}

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield from super().setup()
        yield 2, self.third

    async def third(self) -> None:
        """CPU 2 runs a third thread, and no child."""
        await start(self.task(2), 0)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("fork", 0, self.fork), ("munmap", 1, self.other), ("store", 2, self.store)]

    async def other(self) -> None:
        half = self.params["half"]
        await self.task(1).munmap(self.nr // 2 if half == 1 else 0, self.nr if half == 2 else self.nr // 2)

    async def store(self) -> None:
        """Write to the last page, or the first, which may be gone by then."""
        await self.task(2).store(0 if self.params["half"] == 0 else self.nr - 1)
