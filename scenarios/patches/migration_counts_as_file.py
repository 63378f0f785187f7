"""The zap of a migration entry lowers the file counter, whatever the page is.

zap_nonpresent_ptes() (mm/memory.c, 6.9) takes the counter from the folio that the entry names,
rss[mm_counter(folio)]: most are anonymous.
"""

from __future__ import annotations

from sim.core.pte import KIND_MASK, KIND_MIGRATION
from sim.mm.memory import Memory, Zap
from sim.mm.mm_types import MM_FILEPAGES

KERNEL = "6.9"
KIND = "sequence"


class MigrationCountsAsFile(Memory):
    component = "memory"

    async def zap_nonpresent(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """One counter for all."""
        before = list(zap.rss)
        nr = await super().zap_nonpresent(zap, addr, ptep, pte)
        if pte & KIND_MASK == KIND_MIGRATION and zap.rss != before:
            zap.rss[:] = before
            zap.rss[MM_FILEPAGES] -= 1
        return nr
