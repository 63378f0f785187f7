"""The last batch of VMAs leaves the file's reverse map after the page tables have been freed.

free_pgtables() (mm/memory.c, 6.10 and later) calls unlink_file_vma_batch_final() before
free_pgd_range(): a walk from a page of the file may be in a table as long as it can find the VMA.
"""

from __future__ import annotations

from sim.versions.v6_12.mmap import Mmap612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("file-batches",)


class FileBatchUnlinkedLate(Mmap612):
    component = "mmap"

    async def free_pgtables(self, tlb: int, mm: int, vmas: list[int], floor: int, ceiling: int) -> None:
        """Tables first, then the files."""
        for vma in vmas:
            await self.k.rmap.unlink_anon_vmas(vma)
        first, last = self.vma_start[vmas[0]], self.vma_end[vmas[-1]]
        await self.k.pgtable.free_pgd_range(tlb, mm, first, last, floor, ceiling)
        for vma in vmas:
            file = self.k.mm_types.file_of(vma)
            if file >= 0:
                await self.k.rmap.unlink_file_vmas(file, [vma])
