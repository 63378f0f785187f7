"""Linux 6.18 with one order turned round: an emptied page table is unhooked after the flush that
its zap owes, and not before.

Builds of 6.18 that do so exist, and conformance is measured on one. Nothing is lost there, so this
is the kernel to search a patch of yours on that is not about docs/findings.md.
"""

from __future__ import annotations

from sim.core.version import Version
from sim.mm.memory import Zap
from sim.versions.v6_18 import VERSION as RELEASED
from sim.versions.v6_18.memory import Memory618


class FlushFirst(Memory618):
    """zap_pte_range(), whose fast path comes last under the PTL."""

    async def leave_table(self, zap: Zap, start: int, emptied: bool) -> bool:
        """Fold RSS; flush and remove delayed rmaps, if forced; only then unhook the table, if
        ``emptied``; drop the PTL; then free what is queued, if forced.
        """
        await self.add_mm_rss_vec(zap.tlb, zap.mm, zap.rss)
        await self.leave_and_flush(zap)
        unhooked = self.unhooks_at_once(zap, emptied) and await self.k.pt_reclaim.try_get_and_clear_pmd(zap.mm, start)
        await self.k.pgtable.pte_unmap_unlock(zap.tlb, zap.table)
        if zap.force_flush:
            await self.k.mmu_gather.tlb_flush_mmu(zap.tlb)
        return unhooked


VERSION = Version(
    "6.18-flushfirst",
    "6.18, but emptied tables are unhooked after the flush that is owed: without the finding",
    (*RELEASED.components, FlushFirst),
)
