"""MADV_DONTNEED (mm/madvise.c, v6.9): under the mmap lock held for reading, one gather per VMA."""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site

LOCK = site("do_madvise", "lock mmap for reading")
UNLOCK = site("do_madvise", "unlock mmap")


class Madvise(Component):
    """Advice about ranges."""

    name = "madvise"

    mmap_lock: Column
    vma_start: Cells
    vma_end: Cells

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Drop the pages of [start, start + nr); the mappings stay.

        What is not mapped is no concern of the call.
        """
        began = self.m.seq
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        for vma in self.k.mm_types.vmas_in(mm, start, start + nr):
            first, last = max(start, self.vma_start[vma]), min(start + nr, self.vma_end[vma])
            await self.k.memory.zap_page_range_single(cpu, vma, first, last, None)
            self.k.checks.returned(mm, first, last, began)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
