"""Zaps and forks of page tables that hold more than present pages: zero page, swap, migration, and
userfaultfd markers.

No TLB holds such entries, and none has a mapcount, but swap and migration entries count in RSS, a
swap entry is counted in its slot, the zero page counts nowhere, and where userfaultfd
write-protects file pages (profiles with that PTE bit) a MADV_DONTNEED must leave a marker in each
protected slot, which a fault turns back into a protected page and an unmap removes. That is due for
an entry without a struct page too (f8572367eaff). The other CPU writes to the zero page and to a
protected one.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import plant_migration_entry, plant_swap_entry, plant_zero_page, start, uffd_protect
from stress.scenario import Body, Scenario

ZERO, SWAPPED, PLAIN, MIGRATING, FILE, SPECIAL = 0, 1, 2, 4, 8, 11
"""Pages. The migrating one is the first of a large folio, whose other pages stay mapped; the
special one maps the zero page, in the file's mapping.
"""

ORDER = 2
TOP = 12


class Nonpresent(Scenario):
    """``way``: 0 drops everything and unmaps it, 1 forks and the child exits, 2 exits."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(way=(0, 1, 2))

    def world(self) -> World:
        return World(
            cpus=3,
            mms=2,
            vpages=whole_blocks(self.g, TOP),
            pages=64,
            vmas=6,
            anon_vmas=3,
            files=1,
            file_pages=4,
            swap_slots=2,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Make anonymous memory with an entry of each kind, and a file mapping, maybe protected."""
        task = self.task(0)
        await start(task, 0)
        await task.mmap(0, FILE, ORDER)
        await plant_zero_page(task, ZERO)
        await plant_swap_entry(task, SWAPPED, 1)
        await task.store(PLAIN)
        await task.store(MIGRATING)
        await plant_migration_entry(task, MIGRATING)
        await read_in(task, 0, 4, ORDER)
        await task.mmap(FILE, 4, file=0, shared=True, uffd_wp=self.profile.uffd_wp)
        for addr in range(FILE, SPECIAL):
            await task.load(addr)
        if self.profile.uffd_wp:
            await plant_zero_page(task, SPECIAL)
            for addr in range(FILE + 1, TOP):
                await uffd_protect(task, addr)

    async def join(self) -> None:
        """The other thread has read a page of each VMA."""
        await start(self.task(1), 0)
        await self.task(1).load(ZERO)
        await self.task(1).load(FILE + 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        named: list[tuple[str, int, Body]] = [
            ("zap", 0, (self.drop, self.fork, self.exit)[self.params["way"]]),
            ("access", 1, self.access),
        ]
        return [*named, ("child", 2, self.child)] if self.params["way"] == 1 else named

    async def drop(self) -> None:
        await self.task(0).dontneed(0, TOP)
        await self.task(0).munmap(0, TOP)

    async def fork(self) -> None:
        await self.task(0).fork(1)

    async def child(self) -> None:
        await self.task(2).born(1)
        await self.task(2).dontneed(FILE, 4)
        await self.task(2).load(FILE + 2)
        await self.task(2).exit()

    async def exit(self) -> None:
        await self.task(0).exit()

    async def access(self) -> None:
        await self.task(1).store(ZERO)
        await self.task(1).store(FILE + 1)
        if self.params["way"] == 2:
            await self.task(1).exit()
