"""A mutation for each invariant, written from docs/invariants.md: what must make it fire, in which
program (programs.py), and which steps the checker must then name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.core.machine import site_info
from sim.mm.huge_memory import HugeMemory
from tests.sim.mistakes import (
    MUTATED,
    busy_ignored,
    clean_alone,
    clean_first,
    count_elsewhere,
    exit_unlinked,
    first_cleared,
    first_only,
    free_slot,
    from_the_start,
    garbled,
    handled,
    kept_delayed,
    last_kept,
    leaves_only,
    lock_kept,
    mapped_kept,
    marked_in_part,
    never_put,
    no_flush,
    no_lock,
    nothing,
    omit,
    one_less,
    one_less_zapped,
    one_more,
    pending_kept,
    published_unflushed,
    put_before_rmap,
    put_before_walk,
    put_twice,
    queue_only,
    queue_twice,
    read_after_put,
    resurrect,
    rss_elsewhere,
    rss_left,
    stays_on_lru,
    still_exclusive,
    torn,
    twice,
    unlocked,
    unshifted,
    zeroes,
)
from tests.sim.programs import mutation

HERE = site_info(MUTATED).name
NOWHERE = site_info(0).name
"""What a checker names that has no step to name."""

GARBLED = "pte_clear_not_present_full: clear entry"
CLEAR_PTE, FOLD, UNLOCK_PTL, PUT = (
    "ptep_get_and_clear: clear pte",
    "add_mm_rss_vec: fold rss",
    "pte_unmap_unlock: unlock ptl",
    "folios_put_refs: put references",
)
UNMAPPED, AT_REST = "folio_remove_rmap_ptes: mapcount -1", "audit: recount at rest"
APPEND = "tlb_remove_folio_pages: append to the batch"


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
    profile: str = "x86-64"


MUTATIONS: dict[str, Mutation] = {
    "I1": Mutation("zap", mutation("huge_memory", folio_undo_large_rmappable=resurrect), HERE),
    "I2": Mutation(
        "aged",
        mutation("vmscan", _age=never_put),
        "isolate_lru_folios: take a reference unless it is 0",
        besides=(("ptep_get_and_clear_full: clear pte, fullmm", NOWHERE),),
    ),
    "I3": Mutation("zap", mutation("swap", folios_put_refs=put_twice), PUT, APPEND),
    "I4": Mutation(
        "family",
        mutation("rmap", folio_remove_rmap_ptes=put_before_rmap),
        HERE,
        UNMAPPED,
        besides=(("folio_put: put reference", UNMAPPED), (HERE, "folio_add_new_anon_rmap: set mapcount")),
    ),
    "I44": Mutation("zap", mutation("swap", _release=stays_on_lru), "free_unref_folios: lock zone"),
    "I45": Mutation("zap", mutation("pgtable", set_block=marked_in_part), HERE, profile="arm64-4k"),
    "I46": Mutation(
        "stay", mutation("fork", flush_parent=published_unflushed), HERE, "ptep_set_wrprotect: write-protect pte"
    ),
    "I47": Mutation("used", mutation("pgtable", pte_update=busy_ignored), HERE, profile="ppc64-hash"),
    "I5": Mutation(
        "zap",
        mutation("swap", refs_to_put=lambda self, original, page, nr: max(1, nr - 1)),
        "tlb_finish_mmu: close the gather",
    ),
    "I7": Mutation(
        "zap",
        mutation("rmap", folio_remove_rmap_ptes=one_less),
        UNMAPPED,
        APPEND,
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
    "I24": Mutation(
        "replaced", mutation("pgtable", ptep_clear_flush=no_flush), "set_ptes: set pte", "ptep_get_and_clear: clear pte"
    ),
    "I26": Mutation(
        "clean",
        mutation("page_writeback", folio_clear_dirty_for_io=clean_first),
        "user_store: store through TLB",
        HERE,
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
    "I31": Mutation("family", omit("fork", "wrprotect_parent"), "user_store: store through TLB", "set_ptes: set pte"),
    "I31q": Mutation("stay", mutation("rmap", folio_try_dup_anon_rmap_ptes=still_exclusive), HERE),
    "I35": Mutation(
        "edges", mutation("mmu_gather", batch_is_full=free_slot), "tlb_remove_folio_pages: append to the batch"
    ),
    "I37": Mutation(
        "clean",
        mutation("mmu_gather", tlb_flush_rmaps=kept_delayed),
        UNLOCK_PTL,
        APPEND,
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
    "I48": Mutation(
        "twice",
        mutation("page_writeback", wait_for_writeback=nothing),
        "folio_start_writeback: set PG_writeback",
        "folio_start_writeback: set PG_writeback",
        besides=(
            ("folio_end_writeback: clear PG_writeback", "folio_end_writeback: clear PG_writeback"),
            ("folio_end_writeback: clear PG_writeback", "folio_start_writeback: set PG_writeback"),
        ),
    ),
    "O11": Mutation("aged", mutation("memory", unmap_vmas=exit_unlinked), "folio_mapped: read mapcount"),
    "O13": Mutation("zap", mutation("page_fault", handle_pte_fault=handled), "do_user_addr_fault: unlock mmap"),
    "O14": Mutation("absent", mutation("memory", marker_nr=lambda self, original, nr: nr - 1), CLEAR_PTE),
    "O14q": Mutation("absent", omit("swapfile", "free_swap_and_cache"), AT_REST),
    "O15": Mutation("stay", omit("page_fault", "copy_user_page"), "set_ptes: set pte"),
    "O16": Mutation("zap", mutation("memory", unmap_page_range=one_more), CLEAR_PTE),
    "O18": Mutation("family", omit("rmap", "anon_vma_clone"), "set_ptes: set pte"),
    "O19": Mutation("zap", mutation("swap", folios_put_refs=read_after_put), HERE, "free_unref_folios: lock zone"),
    "O20": Mutation("aged", mutation("vmscan", _age=put_before_walk), HERE),
    "O21": Mutation(
        "again",
        mutation("page_alloc", alloc_zeroed_folio=first_cleared),
        "set_ptes: set pte",
        "free_unref_folios: lock zone",
    ),
    "O22": Mutation("zap", mutation("memory", unmap_page_range=one_less_zapped), "tlb_finish_mmu: lower flush pending"),
    "O23": Mutation("zap", mutation("page_alloc", free_unref_folios=last_kept), PUT),
    "O24": Mutation("zap", omit("swap", "folio_add_lru"), AT_REST),
    "O30": Mutation(
        "shrunk",
        omit("unmap_mapping", "unmap_mapping_range_tree"),
        "truncate_cleanup_folio: take the folio for unmapped",
    ),
    "O31": Mutation("shrunk", omit("truncate", "unmap_if_mapped"), "folio_mapped: read mapcount"),
    "O32": Mutation("direct", omit("truncate", "unmap_if_mapped"), "folio_mapped: read mapcount"),
    "O33": Mutation("shrunk", omit("page_writeback", "folio_cancel_dirty"), "filemap_unaccount_folio: read PG_dirty"),
    "O34": Mutation("shrunk", omit("unmap_mapping", "unmap_mapping_pages"), "do_truncate: unlock invalidate_lock"),
    "O35": Mutation("punched", mutation("memory", should_zap_cows=lambda self, original, details: True), CLEAR_PTE),
    "O36": Mutation(
        "cut", mutation("truncate", truncate_inode_pages_range=from_the_start), "page_cache_delete: clear i_pages"
    ),
    "O37": Mutation(
        "cut",
        mutation("page_writeback", wait_for_writeback=nothing),
        "page_cache_delete: clear i_pages",
        "folio_start_writeback: set PG_writeback",
    ),
    "O38": Mutation("punched", omit("truncate", "truncate_inode_pages_range"), "free_blocks: forget what the disk has"),
    "O39": Mutation("absent", mutation("pgtable", pte_clear_not_present_full=garbled), GARBLED, GARBLED),
    "PTL": Mutation("zap", mutation("pgtable", pte_offset_map_lock=no_lock), "set_ptes: set pte", "set_ptes: set pte"),
}
"""Invariant -> the mutation that breaks it."""

MUTATIONS_612: dict[str, Mutation] = {
    "I10": Mutation("zap", omit("rmap", "folio_sub_large_mapcount"), "folio_remove_rmap_ptes: mapcount -1"),
    "I10q": Mutation(
        "stay",
        omit("rmap", "folio_add_large_mapcount"),
        AT_REST,
    ),
    "I11": Mutation(
        "zap",
        mutation("huge_memory", unqueue=lambda self, original, folio: HugeMemory.unqueue(self, folio)),
        "free_unref_folios: lock zone",
    ),
    "I16q": Mutation("partly", mutation("huge_memory", deferred_split_folio=queue_only), AT_REST),
}
"""The same for what 6.12 keeps besides; I11 has more to speak of there."""

MUTATIONS_618: dict[str, Mutation] = {
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
}
"""The same for what 6.18 keeps besides."""

BY_TOTAL: dict[str, Mutation] = {
    "O11": replace(MUTATIONS["O11"], accused="folio_mapped: read large mapcount"),
    "O31": replace(MUTATIONS["O31"], accused="folio_mapped: read large mapcount"),
    "O32": replace(
        MUTATIONS["O32"],
        accused="folio_mapped: read large mapcount",
        besides=(("folio_mapped: read mapcount", NOWHERE),),
    ),
}
"""The mutations of 6.9 that break their rule at another step where the total mapcount is asked."""

UNDER_VMA_LOCK = {"O13": replace(MUTATIONS["O13"], accused="vma_end_read: unlock the VMA")}
"""The same where a fault without an anon_vma is handled under its VMA's lock."""

ELSEWHERE_618: dict[str, Mutation] = {
    "O13": replace(MUTATIONS["O13"], accused="vma_refcount_put: vm_refcnt -1"),
    "I22": replace(MUTATIONS["I22"], accused="pte_free: free table page"),
    "I22b": replace(MUTATIONS["I22b"], accused="pte_free: free table page"),
    "O23": replace(MUTATIONS["O23"], accused="pte_free: free table page"),
}
"""The mutations of 6.9 that break their rule at another step where tables go through RCU, and
VMAs are counted.
"""

IN_612 = MUTATIONS | BY_TOTAL | UNDER_VMA_LOCK | MUTATIONS_612

IN: dict[str, dict[str, Mutation]] = {
    "6.9": MUTATIONS,
    "6.12": IN_612,
    "6.18": IN_612 | ELSEWHERE_618 | MUTATIONS_618,
    "7.3": IN_612 | ELSEWHERE_618 | MUTATIONS_618,
}
"""Version -> invariant -> the mutation that breaks it there."""
