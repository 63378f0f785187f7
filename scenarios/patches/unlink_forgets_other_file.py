"""unlink_file_vma_batch_add() begins a new batch for another file and forgets the old one.

unlink_file_vma_batch_process() has to come first: freed VMAs stay in the first file's i_mmap.
"""

from __future__ import annotations

from sim.versions.v6_12.mmap import UNLINK_VMAS_MAX, Mmap612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("file-batches",)


class UnlinkForgetsOtherFile(Mmap612):
    component = "mmap"

    async def unlink_vmas(self, vmas: list[int]) -> None:
        """Another file is another batch."""
        batch: list[int] = []
        of = -1
        for vma in vmas:
            await self.k.rmap.unlink_anon_vmas(vma)
            file = self.k.mm_types.file_of(vma)
            if file < 0:
                continue
            if len(batch) == UNLINK_VMAS_MAX:
                await self.k.rmap.unlink_file_vmas(of, batch)
                batch = []
            if file != of:
                batch = []
            batch.append(vma)
            of = file
        if batch:
            await self.k.rmap.unlink_file_vmas(of, batch)
