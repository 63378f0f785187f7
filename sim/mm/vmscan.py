"""Reclaim's ageing (mm/vmscan.c, v6.9): it clears young bits through the rmap, without a flush.

Left out: the lists that reclaim takes folios from (the first anonymous folio that has PG_lru stands
for them), reclaiming itself.
"""

from __future__ import annotations

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.mm.mm_types import MAPPING_ANON

ISOLATE_LOCK = site("isolate_lru_folios", "lock lruvec")
ISOLATE_GET = site("isolate_lru_folios", "take a reference unless it is 0")
ISOLATE_UNLOCK = site("isolate_lru_folios", "unlock lruvec")


class Vmscan(Component):
    """Ages one folio at a time."""

    name = "vmscan"

    page_lru: Column
    page_mapping: Cells
    page_ref: Column
    lruvec_lock: Column

    async def age_file_folio(self, cpu: int, file: int, index: int) -> None:
        """Clear the young bits of the folio at ``index`` of ``file``, if there is one."""
        folio = await self.k.filemap.get_folio(cpu, file, index)
        if folio >= 0:
            await self._age(cpu, folio)

    async def age_anon_folio(self, cpu: int) -> None:
        """Clear the young bits of the first anonymous folio on the LRU, if there is one."""
        folio = await self.isolate_lru_folio()
        if folio >= 0:
            await self._age(cpu, folio)

    async def _age(self, cpu: int, folio: int) -> None:
        """Clear the young bits of a folio, and put the caller's reference."""
        await self.k.rmap.folio_referenced(cpu, folio)
        await self.k.swap.folio_put(cpu, folio)

    async def isolate_lru_folio(self) -> int:
        """Take a reference on the first anonymous folio on the LRU, unless it is being freed; it
        keeps PG_lru (isolate_lru_folios). Return it, or -1 if there is none.
        """
        await self.m.lock(ISOLATE_LOCK, self.lruvec_lock, 0)
        folio = self.first_anon_folio()
        if folio >= 0 and not await self.m.rmw(
            ISOLATE_GET, self.page_ref, folio, lambda ref: ref + (ref > 0), TRANSIENT
        ):
            folio = -1
        await self.m.unlock(ISOLATE_UNLOCK, self.lruvec_lock, 0)
        return folio

    def first_anon_folio(self) -> int:
        """Return the first anonymous folio on the LRU, whose lock the caller holds, or -1."""
        lru, mapping = self.page_lru.view, self.page_mapping
        return next((folio for folio, on in enumerate(lru) if on and mapping[folio] & MAPPING_ANON), -1)
