"""A mutation for each invariant, written from docs/invariants.md: what must make it fire, in which
program (programs.py), and which steps the checker must then name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sim.core.ledger import TRANSIENT
from sim.core.machine import site, site_info
from sim.mm.huge_memory import HugeMemory
from sim.mm.mm_types import NR_MM_COUNTERS
from tests.sim.programs import mutation

MUTATED = site("mutation", "what the mutation does")

HERE = site_info(MUTATED).name
NOWHERE = site_info(0).name
"""What a checker names that has no step to name."""

CLEAR_PTE, FOLD, UNLOCK_PTL, PUT = (
    "ptep_get_and_clear: clear pte",
    "add_mm_rss_vec: fold rss",
    "pte_unmap_unlock: unlock ptl",
    "folios_put_refs: put references",
)


@dataclass(frozen=True)
class Mutation:
    """A mistake, and the pair of sites that its invariant's violation names."""

    program: str
    part: type
    """The class that overrides a component's method."""
    accused: str
    """The step that broke the rule; for an audit, the last one to change what is wrong."""
    victim: str = NOWHERE
    """The step that relied on the rule."""
    besides: tuple[tuple[str, str], ...] = ()
    """(accused, victim) of other interleavings of the same mistake."""


async def nothing(self: Any, original: Any, *args: Any, **keywords: Any) -> None:
    """Leave out the step."""


def omit(component: str, method: str) -> type:
    """Return a mutation that leaves ``method`` out."""
    return mutation(component, **{method: nothing})


NOTHING_UNMAPPED = mutation("unmap_mapping", unmap_mapping_folio=nothing, unmap_mapping_pages=nothing)


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


MUTATIONS: dict[str, Mutation] = {
    "I1": Mutation("zap", mutation("huge_memory", folio_undo_large_rmappable=resurrect), HERE),
    "I2": Mutation(
        "aged",
        mutation("vmscan", _age=never_put),
        "isolate_lru_folios: take a reference unless it is 0",
        besides=(("ptep_get_and_clear_full: clear pte, fullmm", NOWHERE),),
    ),
    "I3": Mutation("zap", mutation("swap", folios_put_refs=put_twice), PUT, "deferred_split_folio: unlock split queue"),
    "I4": Mutation(
        "family",
        mutation("rmap", folio_remove_rmap_ptes=put_before_rmap),
        HERE,
        besides=(("folio_put: put reference", NOWHERE),),
    ),
    "I5": Mutation(
        "zap",
        mutation("swap", refs_to_put=lambda self, original, page, nr: max(1, nr - 1)),
        "tlb_finish_mmu: close the gather",
    ),
    "I7": Mutation(
        "zap",
        mutation("rmap", folio_remove_rmap_ptes=one_less),
        "folio_remove_rmap_ptes: mapcount -1",
        "deferred_split_folio: unlock split queue",
    ),
    "I7q": Mutation(
        "clean",
        mutation("page_writeback", write_out=count_elsewhere),
        HERE,
        besides=(("folio_remove_rmap_ptes: mapcount -1", NOWHERE),),
    ),
    "I8": Mutation("family", mutation("rmap", folio_try_dup_anon_rmap_ptes=first_only), "set_ptes: set pte"),
    "I9": Mutation("zap", mutation("rmap", folio_remove_rmap_ptes=twice), HERE),
    "I11": Mutation("zap", mutation("rmap", folio_remove_rmap_ptes=mapped_kept), "free_unref_folios: lock zone"),
    "I11q": Mutation("clean", mutation("rmap", folio_remove_rmap_ptes=mapped_kept), HERE),
    "I15": Mutation("zap", omit("huge_memory", "folio_undo_large_rmappable"), "free_unref_folios: lock zone"),
    "I15q": Mutation(
        "zap",
        mutation("huge_memory", deferred_split_folio=queue_twice),
        "folio_undo_large_rmappable: unlock split queue",
    ),
    "I17": Mutation("clean", mutation("page_writeback", write_out=rss_elsewhere), HERE),
    "I18": Mutation("zap", mutation("memory", rss_nr=lambda self, original, nr: 1), FOLD, CLEAR_PTE),
    "I19": Mutation("family", mutation("mmap", free_pgtables=rss_left), "exit_mmap: unlock mmap at the end"),
    "I21": Mutation("zap", omit("tlbflush", "tlb_flush"), PUT, CLEAR_PTE),
    "I22": Mutation("zap", mutation("tlb", invalidate=leaves_only), PUT),
    "I22b": Mutation("zap", omit("memory", "unmap_vmas"), PUT),
    "I23": Mutation("clean", omit("tlbflush", "tlb_flush"), "do_vmi_align_munmap: unlock mmap", CLEAR_PTE),
    "I24": Mutation("replaced", mutation("pgtable", ptep_clear_flush=no_flush), "set_ptes: set pte"),
    "I26": Mutation(
        "clean",
        mutation("page_writeback", folio_clear_dirty_for_io=clean_first),
        "user_store: store through TLB",
    ),
    "I27": Mutation(
        "clean",
        mutation("page_writeback", folio_clear_dirty_for_io=clean_alone),
        HERE,
        besides=((HERE, CLEAR_PTE),),
    ),
    "I28": Mutation(
        "clean",
        mutation("page_writeback", write_out=zeroes),
        "folio_clear_dirty_for_io: clear PG_dirty",
        "user_store: store through TLB",
        besides=(("folio_clear_dirty_for_io: clear PG_dirty", NOWHERE),),
    ),
    "I29": Mutation("zap", omit("page_writeback", "folio_mark_dirty"), UNLOCK_PTL, CLEAR_PTE),
    "I31": Mutation("family", omit("fork", "wrprotect_parent"), "user_store: store through TLB"),
    "I31q": Mutation("stay", mutation("rmap", folio_try_dup_anon_rmap_ptes=still_exclusive), HERE),
    "I35": Mutation(
        "edges", mutation("mmu_gather", batch_is_full=free_slot), "tlb_remove_folio_pages: append to the batch"
    ),
    "I37": Mutation(
        "clean",
        mutation("mmu_gather", tlb_flush_rmaps=kept_delayed),
        UNLOCK_PTL,
        "folio_mark_accessed: clear referenced",
    ),
    "I39": Mutation(
        "zap",
        mutation(
            "mmu_gather",
            tlb_remove_tlb_entries=lambda self, original, tlb, addr, nr: original(tlb, addr, max(1, nr - 1)),
        ),
        "tlb_flush_mmu_tlbonly: forget the range",
        CLEAR_PTE,
    ),
    "I40": Mutation("zap", mutation("mmu_gather", tlb_gather_mmu=pending_kept), "tlb_finish_mmu: lower flush pending"),
    "I42": Mutation("zap", mutation("mmu_gather", chunk=torn), "tlb_batch_pages_flush: free a chunk"),
    "I43": Mutation("zap", mutation("mmu_gather", encode=unshifted), "tlb_remove_folio_pages: append to the batch"),
    "LOCK": Mutation("written", mutation("rmap", folio_mkclean=lock_kept), HERE),
    "MMAP": Mutation("zap", mutation("mmap", unmap_region=unlocked), CLEAR_PTE),
    "O7": Mutation("heir", omit("fork", "copy_nonpresent_pte"), "copy_pte_range: unlock child ptl"),
    "O11": Mutation("aged", mutation("memory", unmap_vmas=exit_unlinked), "folio_mapped: read mapcount"),
    "O13": Mutation("zap", mutation("page_fault", handle_pte_fault=handled), "do_user_addr_fault: unlock mmap"),
    "O14": Mutation("absent", mutation("memory", marker_nr=lambda self, original, nr: nr - 1), CLEAR_PTE),
    "O14q": Mutation("absent", omit("swapfile", "free_swap_and_cache"), "do_madvise: unlock mmap"),
    "O15": Mutation("stay", omit("page_fault", "copy_user_page"), "set_ptes: set pte"),
    "O16": Mutation("zap", mutation("memory", unmap_page_range=one_more), CLEAR_PTE),
    "O18": Mutation("family", omit("rmap", "anon_vma_clone"), "set_ptes: set pte"),
    "O19": Mutation("zap", mutation("swap", folios_put_refs=read_after_put), HERE, "free_unref_folios: lock zone"),
    "O30": Mutation("shrunk", omit("unmap_mapping", "unmap_mapping_range_tree"), "unmap_mapping_folio: unlock i_mmap"),
    "O31": Mutation("shrunk", NOTHING_UNMAPPED, "folio_mapped: read mapcount"),
    "O32": Mutation("direct", NOTHING_UNMAPPED, "folio_mapped: read mapcount"),
    "O33": Mutation("shrunk", omit("page_writeback", "folio_cancel_dirty"), "filemap_unaccount_folio: read PG_dirty"),
    "O34": Mutation("shrunk", omit("unmap_mapping", "unmap_mapping_pages"), "do_truncate: unlock invalidate_lock"),
    "PTL": Mutation("zap", mutation("pgtable", pte_offset_map_lock=no_lock), "set_ptes: set pte", "set_ptes: set pte"),
}
"""Invariant -> the mutation that breaks it."""


# -- 6.18 --------------------------------------------------------------------------------------------------------------


async def queue_only(self: Any, original: Any, folio: int) -> None:
    """I16q: a folio is queued because it is partially mapped, and marked so."""
    await self.queue(folio)


MUTATIONS_618: dict[str, Mutation] = {
    "I10": Mutation("zap", omit("rmap", "folio_sub_large_mapcount"), "folio_remove_rmap_ptes: mapcount -1"),
    "I10q": Mutation(
        "stay",
        omit("rmap", "folio_add_large_mapcount"),
        "user_store: store through TLB",
        besides=(("user_load: load through TLB", NOWHERE),),
    ),
    "I11": Mutation(
        "zap",
        mutation("huge_memory", unqueue=lambda self, original, folio: HugeMemory.unqueue(self, folio)),
        "free_unref_folios: lock zone",
    ),
    "I13": Mutation(
        "stay",
        mutation("rmap", attribute=lambda self, original, *args: original(*args) and False),
        "folio_unlock_large_mapcount: unlock mm ids",
    ),
    "I13q": Mutation(
        "stay",
        mutation(
            "rmap",
            folio_try_dup_anon_rmap_ptes=lambda self, original, folio, page, nr, dst_mm: original(folio, page, nr, 0),
        ),
        "folio_add_large_mapcount: raise large mapcount",
    ),
    "I16q": Mutation(
        "partly", mutation("huge_memory", deferred_split_folio=queue_only), "tlb_finish_mmu: lower flush pending"
    ),
}
"""The same for what 6.18 keeps besides; I11 has more to speak of there."""

ELSEWHERE_618: dict[str, Mutation] = {
    "I3": replace(MUTATIONS["I3"], victim="folio_remove_rmap_ptes: read nr_pages_mapped"),
    "I22": replace(MUTATIONS["I22"], accused="pte_free: free table page"),
    "I22b": replace(MUTATIONS["I22b"], accused="pte_free: free table page"),
    "O11": replace(MUTATIONS["O11"], accused="folio_mapped: read large mapcount"),
    "O31": replace(MUTATIONS["O31"], accused="folio_mapped: read large mapcount"),
    "O32": replace(MUTATIONS["O32"], accused="folio_mapped: read large mapcount"),
}
"""The mutations of 6.9 that break their rule at another step in 6.18."""

IN: dict[str, dict[str, Mutation]] = {"6.9": MUTATIONS, "6.18": MUTATIONS | ELSEWHERE_618 | MUTATIONS_618}
"""Version -> invariant -> the mutation that breaks it there."""
