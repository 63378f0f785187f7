"""VMAs leave a file's reverse map under its lock, but taken for reading.

unlink_file_vma_batch_process() (mm/vma.c, 6.10 and later) takes i_mmap_lock_write(): walks hold it
for reading as long as they go from VMA to VMA.
"""

from __future__ import annotations

from sim.mm.rmap import FILE_LINKED, UNLINK_LOCK, UNLINK_UNLOCK
from sim.versions.v6_12.rmap import Rmap612

KERNEL = "6.12"
KIND = "interleaving"
GUARDS = ("file-batches",)


class FileBatchUnderReadLock(Rmap612):
    component = "rmap"

    async def unlink_file_vmas(self, file: int, vmas: list[int]) -> None:
        """Readers do not shut each other out, and so they do not shut this out."""
        await self.m.down_read(UNLINK_LOCK, self.i_mmap_lock, file)
        for vma in vmas:
            self.vma_linked[vma] &= ~FILE_LINKED
        await self.m.up_read(UNLINK_UNLOCK, self.i_mmap_lock, file)
