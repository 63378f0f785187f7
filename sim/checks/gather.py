"""Gather structure: I5, I35, I37, I39, I42, I43, MMAP."""

from __future__ import annotations

from sim.checks.base import Checker
from sim.checks.entries import SLOT_BITS
from sim.core.arena import MACHINE, OWN_MOMENT, Cells, Column, Field, alike
from sim.core.machine import site
from sim.mm.mmu_gather import ENCODED_PAGE_BIT_NR_PAGES_NEXT, ENCODED_SHIFT

APPEND, FREE, FLUSHED, FINISHED = (
    site(function, what, step=False)
    for function, what in (
        ("tlb_remove_folio_pages", "append to the batch"), ("tlb_batch_pages_flush", "free a chunk"),
        ("tlb_flush_mmu_tlbonly", "forget the range"), ("tlb_finish_mmu", "close the gather"),
    )
)  # fmt: skip
"""A gather's own state is private, so what goes wrong in it is no step: these stand for the places.
"""


class GatherChecks(Checker):
    """Called by the gather where its structure changes."""

    name = "checks_gather"
    invariants = (
        ("I5", "gather-reference-kept", "each gather word is put exactly once (__tlb_batch_free_encoded_pages)"),
        (
            "I35",
            "gather-batch-overfull",
            "a batch has room for a pair whenever an entry is queued (__tlb_remove_folio_pages_size)",
        ),
        ("I37", "delayed-rmap-outlives-lock", "delayed_rmap is clear whenever the PTL is not held (tlb_flush_rmaps)"),
        (
            "I39",
            "flush-range-too-small",
            "the range flushed covers every entry cleared since the last flush (__tlb_adjust_range)",
        ),
        (
            "I42",
            "gather-pair-torn",
            "a page and its count stay in one batch and one chunk (__tlb_batch_free_encoded_pages)",
        ),
        (
            "MMAP",
            "zap-without-mmap-lock",
            "munmap, MADV_DONTNEED and exit zap under the mmap lock or the VMA's, truncation under i_mmap "
            "(zap_page_range_single)",
        ),
        (
            "I43",
            "gather-count-missing",
            "a page word that announces a count is followed by a count of 2 or more (struct encoded_page)",
        ),
    )

    mmap_lock: Column
    i_mmap_lock: Column
    vma_locked: Cells
    gather_delayed_rmap: Cells
    gather_fullmm: Cells
    gather_start: Cells
    gather_end: Cells
    gather_refs: Cells
    unflushed_lo: Cells
    unflushed_hi: Cells

    gather_queued_at: Cells
    gather_since: Cells
    req_mm: Cells
    req_start: Cells
    req_end: Cells
    gather_mm: Cells
    cleared_at: Cells

    def fields(self) -> list[Field]:
        return [
            Field("gather_refs", self.w.cpus, MACHINE),
            Field("gather_queued_at", self.w.cpus, MACHINE, stamp=True),
            Field("gather_since", self.w.cpus, MACHINE, stamp=True, decides=OWN_MOMENT),
            *alike(("unflushed_lo", "unflushed_hi"), self.w.cpus, MACHINE),
        ]

    def opened(self, tlb: int) -> None:
        """A gather opens."""
        self.gather_refs[tlb] = 0
        self._begin_range(tlb)

    def _begin_range(self, tlb: int) -> None:
        self.unflushed_lo[tlb] = self.unflushed_hi[tlb] = 0
        self.gather_since[tlb] = self.m.seq

    def cleared(self, tlb: int, addr: int) -> None:
        """A PTE has been cleared by an actor with a gather open: its range must come to cover the
        page.
        """
        locked = self.mmap_lock.view[self.gather_mm[tlb]] or self.vma_locked[tlb]
        if not locked and not any(self.i_mmap_lock.view.tolist()):
            self.violated(
                "MMAP",
                f"cpu{tlb} zaps page {addr} of mm {self.gather_mm[tlb]}, whose mmap lock nobody holds, nor i_mmap, "
                "and has not locked the VMA",
            )
        if addr < self.unflushed_lo[tlb] or not self.unflushed_hi[tlb]:
            self.unflushed_lo[tlb] = addr
        if addr >= self.unflushed_hi[tlb]:
            self.unflushed_hi[tlb] = addr + 1

    def queued(self, tlb: int, nr: int) -> None:
        """References of ``nr`` pages move to the gather."""
        self.gather_refs[tlb] += nr
        self.gather_queued_at[tlb] = APPEND

    def put(self, tlb: int, refs: int) -> None:
        """References of the gather have been put."""
        self.gather_refs[tlb] -= refs

    def appending(self, tlb: int, batch: int, nr: int, words: int) -> None:
        """``words`` are about to be appended to a batch that has ``nr``."""
        room = self.k.mmu_gather.batch_max(batch)
        if nr + max(words, self.k.mmu_gather.entry_words) > room:
            self.violated("I35", f"batch {batch} of cpu{tlb} has {nr} of {room} slots in use", accused=APPEND)

    def chunk(self, words: list[int], n: int) -> None:
        """The first ``n`` of ``words`` are about to be freed."""
        if n < 1 or n > len(words) or words[n - 1] & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
            self.violated(
                "I42", f"a chunk of {n} of {len(words)} words ends between a page and its count", accused=FREE
            )

    def words(self, tlb: int, batch: int, words: list[int]) -> None:
        """A batch is about to be read: a page word that announces a count must have one next."""
        at, last = 0, len(words)
        while at < last:
            if words[at] & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
                at += 1
                if at == last or words[at] < 2 << ENCODED_SHIFT or words[at] & (1 << ENCODED_SHIFT) - 1:
                    count = "no word" if at == last else f"{words[at]:#x}"
                    self.violated(
                        "I43",
                        f"batch {batch} of cpu{tlb}: the page in slot {at - 1} is followed by {count}",
                        accused=APPEND,
                    )
            at += 1

    def range_flushed(self, tlb: int) -> None:
        """The gather's range has been flushed and is about to be forgotten."""
        lo, hi = self.unflushed_lo[tlb], self.unflushed_hi[tlb]
        if hi and not (self.gather_start[tlb] <= lo and hi <= self.gather_end[tlb]):
            self._missed(tlb, lo, hi)
        self._begin_range(tlb)

    def _missed(self, tlb: int, lo: int, hi: int) -> None:
        """Pages of [lo, hi) may have been left out, unless more was flushed than the gather asked
        for. If a TLB can still use one of them, then I21 and I23 will say so, and better.
        """
        mm, start, end = self.gather_mm[tlb], self.req_start[tlb], self.req_end[tlb]
        if (
            not self.profile.flushes_ranges
            or self.gather_fullmm[tlb]
            or (self.req_mm[tlb] == mm and start <= lo and hi <= end)
        ):
            return
        left_out = [addr for addr in range(lo, hi) if not start <= addr < end and self._cleared_here(tlb, mm, addr)]
        if left_out and not self.k.checks.tlb.stale(mm, lo, hi, 0, writable_only=False):
            words = f"cpu{tlb} cleared page {left_out[0]}, and its gather flushed {start} to {end}"
            self.violated("I39", words, self.k.checks.tlb.cleared_site(mm, left_out[0]), accused=FLUSHED)

    def _cleared_here(self, tlb: int, mm: int, addr: int) -> bool:
        seq, who = divmod(self.cleared_at[mm * self.w.vpages + addr], 1 << SLOT_BITS)
        return who == tlb and seq > self.gather_since[tlb]

    def lock_released(self, who: int) -> None:
        """The actor let go of its last PTL."""
        if who < self.w.cpus and self.gather_delayed_rmap[who]:
            self.violated("I37", f"cpu{who} released the PTL with delayed rmap removals pending", self.delay_site(who))

    def delay_site(self, who: int) -> int:
        """Return the step at which the actor's gather last took references."""
        return self.gather_queued_at[who] if who < self.w.cpus else 0

    def finished(self, tlb: int) -> None:
        """The gather is about to be closed."""
        if self.gather_refs[tlb]:
            self.violated(
                "I5", f"the gather of cpu{tlb} closes with {self.gather_refs[tlb]} references not put", accused=FINISHED
            )
