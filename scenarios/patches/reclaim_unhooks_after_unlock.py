"""An emptied page table is unhooked when its zap has flushed, and has dropped the table's lock.

zap_pte_range() (mm/memory.c, 7.3) unhooks it under the lock under which it has emptied it. Flushing
before that mends what docs/findings.md tells; unlocking before does not.
"""

from __future__ import annotations

from sim.mm.memory import Zap
from sim.versions.v6_18.memory import Memory618

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x")
KIND = "interleaving"
GUARDS = ("reclaim-elsewhere",)


class ReclaimUnhooksAfterUnlock(Memory618):
    component = "memory"

    async def leave_table(self, zap: Zap, start: int, emptied: bool) -> bool:
        """All that is owed comes first."""
        await self.finish_zap_ptes(zap)
        return self.unhooks_at_once(zap, emptied) and await self.k.pt_reclaim.try_get_and_clear_pmd(zap.mm, start)
