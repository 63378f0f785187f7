"""fork() in one thread, munmap() of part of the memory in another, and the child, which writes and
exits.

fork and munmap exclude each other by the mmap lock, but munmap's zap runs downgraded and the child
runs while it does: parent and child drop mappings of the same folios with no lock in common.
Mapcounts and references must come out right whichever is last, a page must stop being exclusive
before the child maps it, and the child's write must copy as long as the parent's gather still holds
a reference.
"""

from __future__ import annotations

from scenarios._forking import Forking


class ForkVsMunmap(Forking):
    """``half``: which half of the memory is unmapped, 2 for all."""

    choices = {"half": (0, 1, 2)}

    async def other(self) -> None:
        half = self.params["half"]
        await self.task(1).munmap(self.nr // 2 if half == 1 else 0, self.nr if half == 2 else self.nr // 2)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).store(0)
        await self.task(2).exit()
