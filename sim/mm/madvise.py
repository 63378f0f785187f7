"""MADV_DONTNEED and MADV_REMOVE (mm/madvise.c, v6.9).

MADV_DONTNEED zaps under the mmap lock held for reading, one gather per VMA. MADV_REMOVE drops the
lock while it punches the hole, and looks for the next VMA anew.
"""

from __future__ import annotations

import errno

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site
from sim.mm.mm_types import VM_SHARED, VM_WRITE

LOCK = site("do_madvise", "lock mmap for reading")
UNLOCK = site("do_madvise", "unlock mmap")
REMOVE_UNLOCK = site("madvise_remove", "unlock mmap")
REMOVE_LOCK = site("madvise_remove", "lock mmap for reading")


class Madvise(Component):
    """Advice about ranges."""

    name = "madvise"

    mmap_lock: Column
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells
    vma_flags: Cells

    async def madvise_dontneed(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Drop the pages of [start, start + nr); the mappings stay.

        What is not mapped is no concern of the call.
        """
        began = self.m.seq
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        for vma in self.k.mm_types.vmas_in(mm, start, start + nr):
            first, last = self.clipped(vma, start, start + nr)
            await self.k.memory.zap_page_range_single(cpu, vma, first, last, None)
            self.k.checks.returned(mm, first, last, began)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)

    def clipped(self, vma: int, start: int, end: int) -> tuple[int, int]:
        """Return the part of [start, end) that lies in ``vma`` (madvise_walk_vmas)."""
        return max(start, self.vma_start[vma]), min(end, self.vma_end[vma])

    async def madvise_remove(self, cpu: int, mm: int, start: int, nr: int) -> int:
        """Punch holes where [start, start + nr) maps files; return 0, -ENOMEM if part of it is not
        mapped, or what :meth:`removable` says of the first VMA that it refuses.
        """
        end, result = start + nr, 0
        await self.m.down_read(LOCK, self.mmap_lock, mm)
        while start < end:
            vmas = self.k.mm_types.vmas_in(mm, start, end)
            if not vmas:
                result = -errno.ENOMEM
                break
            vma = vmas[0]
            if self.vma_start[vma] > start:
                start, result = self.vma_start[vma], -errno.ENOMEM
            if self.removable(vma) < 0:
                result = self.removable(vma)
                break
            start = await self.remove_of(cpu, mm, vma, start, min(end, self.vma_end[vma]))
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
        return result

    def removable(self, vma: int) -> int:
        """Return 0 if the VMA is a shared and writable mapping of a file, else a negative errno."""
        if self.k.mm_types.vma_is_anonymous(vma):
            return -errno.EINVAL
        return 0 if self.vma_flags[vma] & VM_SHARED and self.vma_flags[vma] & VM_WRITE else -errno.EACCES

    async def remove_of(self, cpu: int, mm: int, vma: int, start: int, end: int) -> int:
        """Punch a hole in the file of ``vma``, which maps [start, end), without the mmap lock;
        return ``end``.
        """
        file, first = self.k.mm_types.file_of(vma), start - self.vma_start[vma] + self.vma_pgoff[vma]
        await self.m.up_read(REMOVE_UNLOCK, self.mmap_lock, mm)
        await self.k.filesystem.punch_hole(cpu, file, first, first + end - start)
        await self.m.down_read(REMOVE_LOCK, self.mmap_lock, mm)
        return end
