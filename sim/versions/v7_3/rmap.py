"""Reverse map (mm/rmap.c, v7.3): ageing locks every folio, and clears young bits in batches."""

from __future__ import annotations

from sim.core.machine import site
from sim.versions.v6_18.rmap import Rmap618

AGE_READ = site("folio_referenced_one", "read pte")


class Rmap73(Rmap618):
    """Walks as in 6.18 otherwise."""

    def is_locked_to_age(self, folio: int) -> bool:
        """Return True: an anonymous folio too is locked, or taken for young."""
        return True

    async def folio_referenced_one(
        self, cpu: int, folio: int, mm: int, addr: int, ptep: int, end: int
    ) -> tuple[int, int]:
        """Clear the young bits of the entries that batch with that of ``addr``; return whether one
        was set, and how many entries that was.
        """
        nr = 1
        if self.page_order[folio]:
            pte = await self.k.pgtable.ptep_get(ptep, AGE_READ)
            nr = await self.k.memory.folio_pte_batch(folio, ptep, pte, end - addr)
        return int(await self.k.pgtable.clear_flush_young_ptes(cpu, mm, addr, ptep, nr)), nr
