"""The steps of one zapped batch, row by row: which sites of the model make the row's steps; and
which sites a profile does not have, and why.

A condition is a flag of the profile: the row, or the sites, are there only where it holds. A row
without sites is private to the zapper and makes no step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.core.profile import Profile

Condition = Callable[[Profile], bool]


def always(profile: Profile) -> bool:
    """Every profile has it."""
    return True


@dataclass(frozen=True)
class Row:
    """One row: its number and name in the table, its sites, where it exists; or why it makes no
    step.
    """

    number: int
    name: str
    sites: tuple[str, ...] = ()
    where: Condition = always
    private: str = ""


FLUSH_SITES = (
    "post_flush: post request",
    "flush_interrupt: take request",
    "invalidate: drop TLB entry",
    "flush_interrupt: acknowledge",
    "post_flush: wait for acknowledgement",
)

ROWS = (
    Row(
        1,
        "map table, take PTL",
        ("pte_offset_map_lock: read pmd", "pte_offset_map_lock: lock ptl", "pte_offset_map_lock: re-read pmd"),
    ),
    Row(2, "batched-reclaim check", ("flush_tlb_batched_pending: read pending",), lambda p: p.batched_unmap_flush),
    Row(3, "read P[i]", ("ptep_get: read pte",)),
    Row(4, "batch scan", ("folio_pte_batch: read pte",)),
    Row(5, "clear P[i+k], mm alive", ("ptep_get_and_clear: clear pte",)),
    Row(
        5,
        "clear P[i+k], fullmm",
        ("ptep_get_and_clear_full: read pte, fullmm", "ptep_get_and_clear_full: clear pte, fullmm"),
        lambda p: p.plain_fullmm_clear and p.walks_tables,
    ),
    Row(
        5,
        "clear P[i+k], flushing as it clears",
        ("ptep_flush_lazy: note flush_mm", "ptep_flush_lazy: invalidate pte and all TLBs"),
        lambda p: not p.gathers,
    ),
    Row(
        5,
        "clear P[i+k], of a block in part",
        ("contpte_convert: clear entry of block", "contpte_convert: write entry of block"),
        lambda p: p.small.contpte > 1,
    ),
    Row(6, "mark folio dirty", ("folio_mark_dirty: set PG_dirty",)),
    Row(7, "set gather.delayed_rmap", private="a word of the zapper's own gather"),
    Row(
        8,
        "mark accessed",
        (
            "folio_mark_accessed: read referenced",
            "folio_mark_accessed: set referenced",
            "folio_activate: take a reference for the batch",
        ),
    ),
    Row(9, "local rss vector", private="on the zapper's stack"),
    Row(10, "extend range", private="words of the zapper's own gather"),
    Row(11, "uffd-wp markers", ("pte_install_uffd_wp_if_needed: install marker",), lambda p: p.uffd_wp),
    Row(
        12,
        "rmap removal (not delayed)",
        (
            "folio_remove_rmap_ptes: mapcount -1",
            "folio_remove_rmap_ptes: nr_pages_mapped -1",
            "deferred_split_folio: lock split queue",
        ),
    ),
    Row(
        13,
        "queue to the gather",
        private="words of the zapper's own gather; whether a batch can be allocated is drawn from the data tape",
    ),
    Row(14, "next PTEs", private="rows 3 to 13 again"),
    Row(15, "fold RSS", ("add_mm_rss_vec: fold rss",)),
    Row(16, "leave lazy MMU", FLUSH_SITES, lambda p: not p.walks_tables),
    Row(17, "(force) TLB flush", FLUSH_SITES, lambda p: p.delays_rmap),
    Row(18, "delayed rmap removal", ("tlb_flush_rmap_batch: mapcount -1",), lambda p: p.delays_rmap),
    Row(19, "unlock", ("pte_unmap_unlock: unlock ptl",)),
    Row(
        20,
        "(force) free tables",
        ("call_rcu: queue table", "call_rcu: count callback", "rcu_gp_kthread: wait for quiescent state"),
        lambda p: p.table_free,
    ),
    Row(21, "TLB flush for deferred ranges", FLUSH_SITES),
    Row(22, "put references", ("folios_put_refs: put references",)),
    Row(
        23,
        "free",
        (
            "folio_undo_large_rmappable: lock split queue",
            "__page_cache_release: lock lruvec",
            "free_unref_folios: lock zone",
        ),
    ),
)
"""The rows; a row whose step differs by profile is there once for each way."""


@dataclass(frozen=True)
class Absent:
    """Sites that no execution visits on some profiles.

    ``sites`` are names, or functions with a colon at the end.
    """

    sites: tuple[str, ...]
    where: Condition
    reason: str
    versions: tuple[str, ...] = ("6.9", "6.18")


ABSENT = (
    Absent(("(none):",), always, "stands for no step"),
    Absent(
        ("setup:", "mm_init:"),
        always,
        "made by the setup, before the executions",
    ),
    Absent(
        ("pte_offset_map_lock: pmd changed: unlock ptl",),
        lambda p: not p.reclaims_pt,
        "tables go while the mmap, VMA and rmap locks exclude whoever maps one; "
        "only khugepaged, not modelled, and PT_RECLAIM take one under a reader",
    ),
    Absent(
        (
            "should_flush_tlb:",
            "switch_mm_irqs_off: set loaded_mm",
            "flush_tlb_func: clear mm_cpumask of an mm that is not loaded",
        ),
        lambda p: p.lazy_tlb,
        "a CPU that switches away leaves the mask",
        ("6.9",),
    ),
    Absent(("deferred_split_folio: look whether it is queued",), always, "no look before the lock is taken", ("6.18",)),
    Absent(
        ("switch_mm_irqs_off: clear mm_cpumask of the last mm",),
        lambda p: p.lazy_tlb,
        "a CPU that switches away stays in the mask",
        ("6.18",),
    ),
    Absent(
        ("try_get_and_clear_pmd:", "try_to_free_pte:", "free_pte:"),
        lambda p: not p.reclaims_pt,
        "MADV_DONTNEED frees no page tables (PT_RECLAIM)",
        ("6.18",),
    ),
    Absent(
        (
            "hardware_walk: read pmd",
            "hardware_walk: read pte",
            "hardware_walk: fill walk cache",
            "hardware_walk: set accessed and dirty",
            "invalidate: drop walk cache entry",
        ),
        lambda p: not p.walks_tables,
        "hardware walks no Linux page table",
    ),
    Absent(
        ("hash_page:", "pte_update:"), lambda p: p.walks_tables, "hardware walks Linux page tables: no hash entries"
    ),
    Absent(
        ("hardware_walk: set accessed and dirty",),
        lambda p: not (p.hardware_young or p.hardware_dirty),
        "young and dirty bits are set by faults",
    ),
    Absent(
        ("call_rcu:", "rcu_gp_kthread:", "rcu_report_qs_rdp:"),
        lambda p: not p.table_free,
        "tables go through the gather as pages",
    ),
    Absent(
        ("flush_tlb: read snoop filter", "hardware_walk: enter snoop filter", "invalidate: leave snoop filter"),
        lambda p: not p.components["tlbflush"].broadcasts,  # type: ignore[attr-defined]
        "flushes go to the CPUs that the kernel has noted",
    ),
    Absent(("flush_tlb_batched_pending:",), lambda p: not p.batched_unmap_flush, "reclaim does not defer flushes"),
    Absent(
        ("pte_install_uffd_wp_if_needed:", "uffd_wp_range:", "do_wp_page: read flush pending"),
        lambda p: not p.uffd_wp,
        "no uffd-wp bit in the PTE",
    ),
    Absent(
        ("ptep_get_and_clear_full:",),
        lambda p: not (p.plain_fullmm_clear and p.walks_tables),
        "a fullmm clear is as atomic as any",
    ),
    Absent(("tlb_flush_rmap_batch:",), lambda p: not p.delays_rmap, "rmap removal is never delayed"),
    Absent(
        ("ptep_set_wrprotect: write-protect pte",),
        lambda p: not p.gathers,
        "an entry is invalidated and written again (ptep_xchg_lazy)",
    ),
    Absent(
        ("ptep_set_access_flags: set flags", "ptep_test_and_clear_young: clear young"),
        lambda p: not p.gathers,
        "an entry is invalidated and written again (ptep_xchg_direct)",
    ),
    Absent(
        ("filemap_map_pages:", "next_uptodate_folio:", "filemap_map_folio_range:"),
        lambda p: p.real.page_size >= 65536,
        "fault-around of 64 KiB is one page: none",
    ),
    Absent(
        ("flush_tlb: read mm_cpumask",),
        lambda p: not (p.mm_cpumask and p.gathers and p.walks_tables),
        "flushes are broadcast",
    ),
    Absent(("switch_mm:",), lambda p: p.lazy_tlb, "switch_mm_irqs_off instead"),
    Absent(("switch_mm: set mm_cpumask",), lambda p: not p.gathers, "cpu_attach_mask instead"),
    Absent(("switch_mm: set cpu_attach_mask",), lambda p: p.gathers, "mm_cpumask instead"),
)
"""What is not reached, and why. Sites that another architecture's file declares need no mention."""
