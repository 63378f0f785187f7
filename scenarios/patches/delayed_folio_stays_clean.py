"""A zap that delays the removal of a dirty folio's rmap does not mark the folio dirty.

zap_present_folio_ptes() (mm/memory.c, 6.9) calls folio_mark_dirty() as soon as it has cleared the
entry: tlb_flush_rmaps() knows of no dirty bits.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "ppc64-radix", "ppc64-hash")
KIND = "sequence"
GUARDS = ("I29",)


class DelayedFolioStaysClean(Memory):
    component = "memory"

    async def pass_dirty_on(self, zap: Zap, folio: int, nr: int) -> bool:
        """Either it is done now, or after the flush."""
        if not self.delay_rmap(zap, nr):
            return await super().pass_dirty_on(zap, folio, nr)
        zap.force_flush = True
        return True
