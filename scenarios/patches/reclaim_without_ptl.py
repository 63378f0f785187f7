"""The slow path of reclaiming a page table looks at its entries under the PML alone.

zap_pte_table_if_empty() (mm/memory.c, 7.3) takes the table's own lock inside: faults fill entries
under that one.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x")
KIND = "interleaving"
GUARDS = ("reclaim-elsewhere",)


class ReclaimWithoutPtl(PtReclaim):
    component = "pt_reclaim"

    async def _clear_if_empty(self, table: int, index: int) -> bool:
        """The PMD's lock keeps everybody out."""
        empty = await self.is_empty(table)
        if empty:
            await self.m.store(self.CLEAR_PMD, self.pmd, index, 0)
        return empty
