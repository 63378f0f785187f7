"""Putting pages: LRU batches (mm/swap.c, mm/swap_state.c, v6.9).

``free_pages_and_swap_cache`` takes gather words; each folio's references are put in one step, and
the put that reaches 0 frees the folio. Per-CPU LRU batches hold a reference per folio and are
drained by their own CPU only.

Left out: LRU lists as such (a folio is on the LRU or not), mlock, ageing beyond PG_referenced and
PG_active.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, SPIN, Cells, Column, Field, alike, bits_for
from sim.core.component import Component
from sim.core.ledger import GATHER, LRU, TRANSIENT
from sim.core.machine import site
from sim.mm.mmu_gather import ENCODED_PAGE_BIT_NR_PAGES_NEXT, ENCODED_SHIFT

PUT = site("folios_put_refs", "put references")
GET_LRU = site("folio_add_lru", "take a reference for the batch")
SET_LRU = site("lru_add_fn", "set PG_lru")
CLEAR_LRU = site("__page_cache_release", "clear PG_lru")
LRUVEC_LOCK = site("__page_cache_release", "lock lruvec")
LRUVEC_UNLOCK = site("__page_cache_release", "unlock lruvec")
DRAIN_LOCK = site("folio_batch_move_lru", "lock lruvec")
DRAIN_UNLOCK = site("folio_batch_move_lru", "unlock lruvec")
PUT_LRU = site("folio_batch_move_lru", "put references")
REFERENCED = site("folio_mark_accessed", "read referenced")
SET_REFERENCED = site("folio_mark_accessed", "set referenced")
CLEAR_REFERENCED = site("folio_mark_accessed", "clear referenced")
ACTIVATE = site("folio_activate_fn", "set active")
GET_ACTIVATE = site("folio_activate", "take a reference for the batch")
FOLIO_PUT = site("folio_put", "put reference")


class Swap(Component):
    """Reference drops, and the LRU batches: ``lru_batch`` (to add) and ``act_batch`` (to activate),
    per CPU.
    """

    name = "swap"

    page_ref: Column
    page_lru: Column
    page_order: Cells
    page_referenced: Column
    page_active: Column
    lruvec_lock: Column
    lru_batch: Cells
    lru_nr: Cells
    act_batch: Cells
    act_nr: Cells

    def fields(self) -> list[Field]:
        cpus, pagevec = self.w.cpus, self.g.pagevec
        return [
            Field("lruvec_lock", 1, lock=SPIN, bits=bits_for(self.k.slots)),
            *alike(("lru_batch", "act_batch"), cpus * pagevec, PRIVATE, bits=bits_for(self.w.pages - 1)),
            *alike(("lru_nr", "act_nr"), cpus, PRIVATE, bits=bits_for(pagevec)),
        ]

    # -- freeing gather words --------------------------------------------------------------------------------------

    async def free_pages_and_swap_cache(self, cpu: int, words: list[int]) -> None:
        """Put the references that gather ``words`` stand for, in folio batches."""
        await self.drain_before_zap(cpu)
        folios: list[tuple[int, int]] = []
        i = 0
        while i < len(words):
            page, nr = words[i] >> ENCODED_SHIFT, 1
            if self.count_follows(words[i]):
                i += 1
                nr = words[i] >> ENCODED_SHIFT
            i += 1
            folios.append((self.k.page_head(page), self.refs_to_put(page, nr)))
            if len(folios) == self.g.pagevec:
                await self.folios_put_refs(cpu, folios, GATHER)
                folios = []
        await self.folios_put_refs(cpu, folios, GATHER)

    def count_follows(self, word: int) -> bool:
        """Return whether the word after this one is its count, and no page (encoded_page_flags(enc)
        & ENCODED_PAGE_BIT_NR_PAGES_NEXT).
        """
        return bool(word & ENCODED_PAGE_BIT_NR_PAGES_NEXT)

    async def free_page_and_swap_cache(self, cpu: int, page: int) -> None:
        """Put the one reference that a gather holds on ``page``."""
        await self.folio_put(cpu, self.k.page_head(page), GATHER)

    def refs_to_put(self, page: int, nr: int) -> int:
        """Return how many references a gather entry of ``nr`` pages holds."""
        return nr

    async def folios_put_refs(self, cpu: int, folios: list[tuple[int, int]], holder: int) -> None:
        """Put references of each folio in one step; free those that have none left."""
        dead = []
        for folio, refs in folios:
            left = await self.m.add(PUT, self.page_ref, folio, -refs, holder)
            if left == 0:
                await self._release(folio)
                dead.append(folio)
        await self.k.page_alloc.free_unref_folios(dead)

    async def _release(self, folio: int) -> None:
        """Take a folio whose refcount is 0 off the deferred-split queue and off the LRU."""
        await self.k.pgtable.release(folio)
        await self.k.huge_memory.folio_undo_large_rmappable(folio)
        if self.page_lru.view[folio]:
            await self.m.lock(LRUVEC_LOCK, self.lruvec_lock, 0)
            await self.m.store(CLEAR_LRU, self.page_lru, folio, 0)
            await self.m.unlock(LRUVEC_UNLOCK, self.lruvec_lock, 0)

    async def folio_put(self, cpu: int, folio: int, holder: int = TRANSIENT) -> None:
        """Put one reference."""
        if await self.m.add(FOLIO_PUT, self.page_ref, folio, -1, holder) == 0:
            await self._release(folio)
            await self.k.page_alloc.free_unref_folios([folio])

    # -- LRU batches -----------------------------------------------------------------------------------------------

    async def folio_add_lru(self, cpu: int, folio: int) -> None:
        """Put a fresh folio on its way to the LRU: a large one at once, a small one through the
        CPU's batch.
        """
        await self.m.add(GET_LRU, self.page_ref, folio, 1, LRU)
        if self._add(self.lru_batch, self.lru_nr, cpu, folio) or self.page_order[folio]:
            await self._drain(cpu, self.lru_batch, self.lru_nr, self.page_lru, SET_LRU)

    async def folio_mark_accessed(self, cpu: int, folio: int) -> None:
        """Age: unreferenced to referenced, referenced to active (through the CPU's batch)."""
        if not await self.m.load(REFERENCED, self.page_referenced, folio):
            await self.m.store(SET_REFERENCED, self.page_referenced, folio, 1)
        elif not await self.m.load(REFERENCED, self.page_active, folio):
            if await self.m.load(REFERENCED, self.page_lru, folio):
                await self.folio_activate(cpu, folio)
            await self.m.store(CLEAR_REFERENCED, self.page_referenced, folio, 0)

    async def folio_activate(self, cpu: int, folio: int) -> None:
        """Put a folio that is on the LRU on its way to the active list."""
        await self.m.add(GET_ACTIVATE, self.page_ref, folio, 1, LRU)
        if self._add(self.act_batch, self.act_nr, cpu, folio) or self.page_order[folio]:
            await self._drain(cpu, self.act_batch, self.act_nr, self.page_active, ACTIVATE)

    def _add(self, batch: Cells, nr: Cells, cpu: int, folio: int) -> bool:
        """Append to a CPU's batch; return whether it is full."""
        batch[cpu * self.g.pagevec + nr[cpu]] = folio
        nr[cpu] += 1
        return nr[cpu] == self.g.pagevec

    async def lru_add_drain(self, cpu: int) -> None:
        """Drain this CPU's batches."""
        await self._drain(cpu, self.lru_batch, self.lru_nr, self.page_lru, SET_LRU)
        await self._drain(cpu, self.act_batch, self.act_nr, self.page_active, ACTIVATE)

    def drain_before_zap(self, cpu: int) -> Coroutine[Any, Any, None]:
        """Drain this CPU's batches before pages are unmapped, and again before they are freed."""
        return self.lru_add_drain(cpu)

    async def _drain(self, cpu: int, batch: Cells, nr: Cells, flag: Column, where: int) -> None:
        if not nr[cpu]:
            return
        first = cpu * self.g.pagevec
        folios = batch[first : first + nr[cpu]].tolist()
        nr[cpu] = 0
        await self.folio_batch_move_lru(folios, flag, where)

    async def folio_batch_move_lru(self, folios: list[int], flag: Column, where: int) -> None:
        """Set ``flag`` of each folio of a batch, under the lruvec lock; then put the batch's
        references.
        """
        await self.move_folios(folios, flag, where)
        await self.put_batch(folios)

    async def move_folios(self, folios: list[int], flag: Column, where: int) -> None:
        """Set ``flag`` of each folio, under the lruvec lock (move_fn)."""
        await self.m.lock(DRAIN_LOCK, self.lruvec_lock, 0)
        for folio in folios:
            await self.m.store(where, flag, folio, 1)
        await self.m.unlock(DRAIN_UNLOCK, self.lruvec_lock, 0)

    async def put_batch(self, folios: list[int]) -> None:
        """Put a batch's references (folios_put)."""
        for folio in folios:
            await self._put_lru(folio)

    async def _put_lru(self, folio: int) -> None:
        if await self.m.add(PUT_LRU, self.page_ref, folio, -1, LRU) == 0:
            await self._release(folio)
            await self.k.page_alloc.free_unref_folios([folio])
