"""Of a batch of VMAs only the first leaves the file's reverse map.

unlink_file_vma_batch_process() (mm/vma.c, 6.10 and later) goes through the whole batch under one
hold of the lock.
"""

from __future__ import annotations

from sim.mm.rmap import FILE_LINKED, UNLINK_LOCK, UNLINK_UNLOCK
from sim.versions.v6_12.rmap import Rmap612

KERNEL = "6.12"
KIND = "sequence"
GUARDS = ("file-batches",)


class FileBatchUnlinksFirst(Rmap612):
    component = "rmap"

    async def unlink_file_vmas(self, file: int, vmas: list[int]) -> None:
        """As it was when a VMA came alone."""
        await self.m.down_write(UNLINK_LOCK, self.i_mmap_lock, file)
        self.vma_linked[vmas[0]] &= ~FILE_LINKED
        await self.m.up_write(UNLINK_UNLOCK, self.i_mmap_lock, file)
