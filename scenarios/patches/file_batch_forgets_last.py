"""The last batch of VMAs is left in the file's reverse map.

unlink_file_vma_batch_add() (mm/vma.c, 6.10 and later) makes up for a batch when it is full or when
another file comes; what is left at the end is unlink_file_vma_batch_final()'s.
"""

from __future__ import annotations

from sim.versions.v6_12.mmap import UNLINK_VMAS_MAX, Mmap612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("file-batches",)


class FileBatchForgetsLast(Mmap612):
    component = "mmap"

    async def unlink_vmas(self, vmas: list[int]) -> None:
        """A batch goes when the next VMA does not fit into it."""
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
