"""A folio of shared memory at the edge of a truncation is not marked dirty.

shmem_undo_range() (mm/shmem.c, 6.9) calls folio_mark_dirty() before it truncates a part of a folio:
shared memory is mapped writable without a notice, so that perhaps only page tables know of a store.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"


class ShmemEdgeStaysClean(Truncate):
    component = "truncate"

    async def truncate_edge_folio(self, cpu: int, file: int, folio: int, start: int, stop: int) -> bool:
        """As in a file system."""
        return await self.truncate_inode_partial_folio(cpu, file, folio, start, stop)
