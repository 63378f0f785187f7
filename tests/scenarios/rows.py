"""The steps of one zapped batch, row by row: which sites of the model make the row's steps.

A condition is a flag of the profile: the row, or the sites, are there only where it holds. A row
without sites is private to the zapper and makes no step.
"""

from __future__ import annotations

from dataclasses import dataclass

from stress.execution.absent import Condition, always


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
