"""M16: a batch of dirty file pages delays its rmap removal and asks for no flush under the PTL."""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class ForceFlushLostInBatch(Fault, Memory):
    id = "M16"
    component = "memory"
    scenario = "munmap_vs_writeback"
    silent = {"s390x": "s390x delays no rmap removal: clearing a PTE has invalidated it everywhere"}

    async def clear_file_ptes(self, zap: Zap, folio: int, addr: int, ptep: int, nr: int) -> bool:
        """The request is made on the path of single pages only."""
        forced = zap.force_flush
        delay_rmap = await super().clear_file_ptes(zap, folio, addr, ptep, nr)
        if nr > 1:
            zap.force_flush = forced
        return delay_rmap
