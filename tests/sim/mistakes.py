"""What the mutations do (mutations.py): each is a method in place of one of the model, written from
the rule that it breaks, with the original as its second argument.
"""

from __future__ import annotations

from typing import Any

from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import CONT, YOUNG
from sim.mm.mm_types import NR_MM_COUNTERS
from sim.mm.pgtable import CLEAR_NOT_PRESENT
from tests.sim.programs import mutation

MUTATED = site("mutation", "what the mutation does")


async def nothing(self: Any, original: Any, *args: Any, **keywords: Any) -> None:
    """Leave out the step."""


def omit(component: str, method: str) -> type:
    """Return a mutation that leaves ``method`` out."""
    return mutation(component, **{method: nothing})


# -- references --------------------------------------------------------------------------------------------------------


async def put_before_rmap(self: Any, original: Any, folio: int, page: int, nr: int, vma: int, *where: int) -> None:
    """I4: the mapcount falls before the refcount; here it is the other way round."""
    await self.m.add(MUTATED, self.k.arena["page_ref"], folio, -nr, TRANSIENT)
    await original(folio, page, nr, vma, *where)


async def resurrect(self: Any, original: Any, folio: int) -> None:
    """I1: nobody takes a reference on a folio that has none."""
    await self.m.add(MUTATED, self.k.arena["page_ref"], folio, 1, TRANSIENT)
    await original(folio)


async def put_twice(self: Any, original: Any, cpu: int, folios: list[tuple[int, int]], holder: int) -> None:
    """I3: each reference is put once."""
    await original(cpu, [(folio, 2 * refs) for folio, refs in folios], holder)


async def never_put(self: Any, original: Any, cpu: int, folio: int) -> None:
    """I2: who takes a reference puts it."""
    await self.k.rmap.folio_referenced(cpu, folio)


async def read_after_put(self: Any, original: Any, cpu: int, folios: list[tuple[int, int]], holder: int) -> None:
    """O19: whoever has put its reference has no business with the folio any more."""
    await original(cpu, folios, holder)
    for folio, _ in folios:
        await self.m.load(MUTATED, self.k.arena["page_referenced"], folio)


async def put_before_walk(self: Any, original: Any, cpu: int, folio: int) -> None:
    """O20: who looks at a folio has a reference to it."""
    await self.k.swap.folio_put(cpu, folio)
    await self.m.load(MUTATED, self.k.arena["page_mapcount"], folio)


async def first_cleared(self: Any, original: Any, order: int) -> int:
    """O21: every page of a new folio is cleared."""
    folio: int = await self.alloc_folio(order)
    await self.m.store(MUTATED, self.page_content, folio, 0)
    return folio


async def last_kept(self: Any, original: Any, folios: list[int]) -> None:
    """O23: a folio without a reference goes back to the allocator."""
    await original(folios[1:])


async def stays_on_lru(self: Any, original: Any, folio: int) -> None:
    """I44: a folio leaves the LRU before it is freed."""
    await original(folio)
    await self.m.store(MUTATED, self.page_lru, folio, 1)


# -- mapcounts, entries ------------------------------------------------------------------------------------------------


async def one_less(self: Any, original: Any, folio: int, page: int, nr: int, vma: int, *where: int) -> None:
    """I7: as many mapcounts fall as PTEs were cleared."""
    await original(folio, page, max(1, nr - 1), vma, *where)


async def twice(self: Any, original: Any, folio: int, page: int, nr: int, vma: int, *where: int) -> None:
    """I9: a mapping is removed once."""
    await original(folio, page, nr, vma, *where)
    await self.m.add(MUTATED, self.k.arena["page_mapcount"], page, -1)


async def first_only(self: Any, original: Any, folio: int, page: int, nr: int, dst_mm: int) -> None:
    """I8: a mapcount rises before its PTE is stored."""
    await original(folio, page, 1, dst_mm)


async def count_elsewhere(self: Any, original: Any, folio: int, file: int) -> None:
    """I7q: a mapcount counts PTEs, and nothing else raises it."""
    await original(folio, file)
    await self.m.add(MUTATED, self.k.arena["page_mapcount"], folio, 1)


async def mapped_kept(self: Any, original: Any, folio: int, page: int, nr: int, vma: int, *where: int) -> None:
    """I11: _nr_pages_mapped falls with a page's last mapping."""
    await original(folio, page, nr, vma, *where)
    await self.m.add(MUTATED, self.k.arena["page_nr_pages_mapped"], folio, 1)


async def rss_elsewhere(self: Any, original: Any, folio: int, file: int) -> None:
    """I17: RSS counts entries, and nothing else raises it."""
    await original(folio, file)
    await self.m.add(MUTATED, self.k.arena["mm_rss"], 0, 1)


async def rss_left(self: Any, original: Any, tlb: int, mm: int, *args: Any) -> None:
    """I19: an address space ends with no RSS."""
    await original(tlb, mm, *args)
    await self.m.add(MUTATED, self.k.arena["mm_rss"], mm * NR_MM_COUNTERS, 1)


async def no_lock(self: Any, original: Any, cpu: int, mm: int, addr: int) -> int:
    """0.6: entries are changed under the PTL, which is here let go of at once."""
    table: int = await original(cpu, mm, addr)
    if table >= 0:
        await self.m.unlock(MUTATED, self.ptl, table)
    return table


async def no_flush(self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int) -> int:
    """I24: between two PTEs of one page there is a flush."""
    pte: int = await self.ptep_get_and_clear(cpu, mm, addr, ptep)
    return pte


async def one_more(self: Any, original: Any, tlb: int, vma: int, addr: int, end: int, details: Any) -> None:
    """2.5: a zap stays inside its range."""
    await original(tlb, vma, addr, min(end + 1, self.k.arena["vma_end"][vma]), details)


async def one_less_zapped(self: Any, original: Any, tlb: int, vma: int, addr: int, end: int, details: Any) -> None:
    """O22: a zap takes its whole range."""
    await original(tlb, vma, addr, end - 1, details)


async def busy_ignored(self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int, *args: Any) -> int:
    """I47: a change of an entry waits for the hash fault that is at work on it."""
    old: int = await self.m.xchg(MUTATED, self.pte, ptep, 0)
    return old


async def garbled(self: Any, original: Any, ptep: int) -> None:
    """O39: what is cleared is empty."""
    await self.m.store(CLEAR_NOT_PRESENT, self.pte, ptep, YOUNG)


async def marked_in_part(self: Any, original: Any, first: int, ptes: list[int], change: Any) -> None:
    """I45: contiguous is a whole block, or none of it."""
    await original(first, ptes, change)
    await self.m.rmw(MUTATED, self.pte, first, lambda pte: pte ^ CONT)


async def published_unflushed(self: Any, original: Any, cpu: int, mm: int) -> None:
    """I46: the parent is flushed before the child may run."""
    await self.m.store(MUTATED, self.k.arena["mm_users"], 1, 1)
    await original(cpu, mm)


# -- TLB ---------------------------------------------------------------------------------------------------------------


async def leaves_only(self: Any, original: Any, cpu: int, mm: int, start: int, end: int, walks: bool) -> None:
    """I22: freed tables leave the walk cache too."""
    await original(cpu, mm, start, end, False)


# -- dirty, exclusive --------------------------------------------------------------------------------------------------


async def clean_alone(self: Any, original: Any, cpu: int, folio: int) -> bool:
    """I27: PTEs are protected before PG_dirty is cleared."""
    dirty = bool(await self.m.xchg(MUTATED, self.k.arena["page_dirty"], folio, 0))
    self.k.checks.cleaned_for_io(folio, dirty)
    return dirty


async def clean_first(self: Any, original: Any, cpu: int, folio: int) -> bool:
    """I26: PG_dirty stays until every PTE is protected and what it said is passed on."""
    dirty = bool(await self.m.xchg(MUTATED, self.k.arena["page_dirty"], folio, 0))
    await self.k.rmap.folio_mkclean(cpu, folio)
    self.k.checks.cleaned_for_io(folio, dirty)
    return dirty


async def zeroes(self: Any, original: Any, folio: int, file: int) -> None:
    """I28: write-out copies every page."""
    self.k.checks.copied(folio)
    for k in range(1 << self.page_order[folio]):
        self.k.checks.copied(folio + k)
    await self.m.store(MUTATED, self.k.arena["page_writeback"], folio, 0)


async def still_exclusive(self: Any, original: Any, folio: int, page: int, nr: int, dst_mm: int) -> bool:
    """I31q: a page that fork shares stays exclusive."""
    await original(folio, page, nr, dst_mm)
    for k in range(nr):
        await self.m.store(MUTATED, self.k.arena["page_anon_exclusive"], page + k, 1)
    return True


# -- gather, counters, locks -------------------------------------------------------------------------------------------


async def kept_delayed(self: Any, original: Any, tlb: int, vma: int) -> None:
    """I37: no delay outlives the PTL."""
    delayed = self.gather_delayed_rmap[tlb]
    await original(tlb, vma)
    self.gather_delayed_rmap[tlb] = delayed


async def queue_twice(self: Any, original: Any, folio: int) -> None:
    """I15: the queue's length counts its folios."""
    await original(folio)
    self.split_queue_len[0] += 1


async def pending_kept(self: Any, original: Any, tlb: int, mm: int, fullmm: bool = False) -> None:
    """I40: one gather is one."""
    await original(tlb, mm, fullmm)
    await self.m.add(MUTATED, self.k.arena["mm_tlb_flush_pending"], mm, 1)


async def handled(self: Any, original: Any, *args: Any) -> bool:
    """O13: a handled fault has changed something."""
    return True


async def exit_unlinked(self: Any, original: Any, tlb: int, vmas: list[int], start: int, end: int) -> None:
    """O11: a VMA leaves its anon_vma only after its pages are unmapped."""
    for vma in vmas:
        await self.k.rmap.vma_unlink(vma)
        self.k.arena["vma_anon_vma"][vma] = self.k.arena["vma_file"][vma] = 0
    await original(tlb, vmas, start, end)


async def lock_kept(self: Any, original: Any, cpu: int, folio: int) -> int:
    """LOCK: an actor that takes a lock lets it go."""
    cleaned: int = await original(cpu, folio)
    await self.m.down_read(MUTATED, self.k.arena["i_mmap_lock"], 0)
    return cleaned


async def unlocked(self: Any, original: Any, tlb: int, mm: int, *args: Any) -> None:
    """6.2: the mmap lock is downgraded for the zap, not dropped."""
    await self.m.up_read(MUTATED, self.k.arena["mmap_lock"], mm)
    await original(tlb, mm, *args)
    await self.m.down_read(MUTATED, self.k.arena["mmap_lock"], mm)


def free_slot(self: Any, original: Any, tlb: int) -> bool:
    """I35: a batch is full while there is room for a pair no more."""
    return bool(self.free_slots(tlb) == 0)


def torn(self: Any, original: Any, words: list[int]) -> int:
    """I42: a chunk ends behind a count, never before."""
    return min(self.g.folios_per_free, len(words)) - 1 or 1


def unshifted(self: Any, original: Any, page: int, nr: int, delay: bool) -> list[int]:
    """I43: a count is encoded as a page is."""
    words: list[int] = original(page, nr, delay)
    return words if nr == 1 else [words[0], nr]


# -- 6.18 --------------------------------------------------------------------------------------------------------------


async def queue_only(self: Any, original: Any, folio: int) -> None:
    """I16q: a folio is queued because it is partially mapped, and marked so."""
    await self.queue(folio)


# -- the page cache ----------------------------------------------------------------------------------------------------


async def from_the_start(self: Any, original: Any, cpu: int, file: int, start: int, stop: int) -> None:
    """O36: truncation leaves what lies before its range."""
    await original(cpu, file, 0, stop)
