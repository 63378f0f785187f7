"""munmap() downgrades the mmap lock before it has detached the VMAs.

do_vmi_align_munmap() (mm/mmap.c, 6.9) detaches while it holds the lock for writing: a fault, which
takes it for reading, must not find a VMA that is being zapped, and fill it again.
"""

from __future__ import annotations

from sim.mm.mmap import DOWNGRADE, LOCK, UNLOCK, UNLOCK_NOTHING, Mmap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class DowngradesBeforeDetaching(Mmap):
    component = "mmap"

    async def do_munmap(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """The VMAs are detached when they have been unmapped."""
        end = start + nr
        await self.m.down_write(LOCK, self.mmap_lock, mm)
        if not self.k.mm_types.vmas_in(mm, start, end):
            await self.k.mmap_lock.mmap_write_unlock(UNLOCK_NOTHING, mm)
            return
        for edge in (start, end):
            await self.split_at(mm, edge)
        vmas = self.k.mm_types.vmas_in(mm, start, end)
        floor, ceiling = self._neighbours(mm, start, end)
        await self.k.mmap_lock.mmap_write_downgrade(DOWNGRADE, mm)
        await self.unmap_region(cpu, mm, vmas, start, end, floor, ceiling)
        await self.detach(mm, vmas)
        for vma in vmas:
            await self.vm_area_free(vma)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)
