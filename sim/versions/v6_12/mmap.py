"""munmap and exit (mm/mmap.c, mm/vma.c, mm/memory.c, v6.12): VMAs of one file leave the reverse map
in batches.
"""

from __future__ import annotations

from sim.mm.mmap import Mmap

UNLINK_VMAS_MAX = 8
"""VMAs of a struct unlink_vma_file_batch."""


class Mmap612(Mmap):
    """Hides several VMAs under one hold of the file's lock (6.10)."""

    async def unlink_vmas(self, vmas: list[int]) -> None:
        """Hide the VMAs from walks of their anon_vmas one after the other, and from walks of a file
        in batches: a batch is made up for when it is full, when another file comes, and at the end
        (unlink_file_vma_batch_add, unlink_file_vma_batch_final).
        """
        batch: list[int] = []
        of = -1
        for vma in vmas:
            await self.k.rmap.unlink_anon_vmas(vma)
            file = self.k.mm_types.file_of(vma)
            if file < 0:
                continue
            if batch and (file != of or len(batch) == UNLINK_VMAS_MAX):
                await self.k.rmap.unlink_file_vmas(of, batch)
                batch = []
            batch.append(vma)
            of = file
        if batch:
            await self.k.rmap.unlink_file_vmas(of, batch)
