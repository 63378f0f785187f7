"""The table that MADV_DONTNEED has emptied is freed at the address at which the zap has ended.

zap_pte_range() (mm/memory.c, 6.18) passes the address at which it began to free_pte(): the gather
notes the page there as the place where walk caches are to be flushed. What has been taken out of
the range lies before its end.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"


class FreesTableAtRangeEnd(PtReclaim):
    component = "pt_reclaim"

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """addr is the loop's variable, and has reached the end of the table."""
        await super().free_pte(tlb, mm, addr + self.g.ptrs_per_pte, table)
