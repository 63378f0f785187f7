"""The table that MADV_DONTNEED has emptied is freed at the address at which the zap has ended.

zap_pte_range() of 7.0 to 7.1.8 does so (CVE-2026-74674); 6.18 and 7.3 pass the address at which
the zap began (mm/memory.c): the gather notes the page there as the place where walk caches are to
be flushed. What has been taken out of the range lies before its end.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "7.3-flushfirst"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"


class FreesTableAtRangeEnd(PtReclaim):
    component = "pt_reclaim"

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """addr is the loop's variable, and has reached the end of the table."""
        await super().free_pte(tlb, mm, addr + self.g.ptrs_per_pte, table)
