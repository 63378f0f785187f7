"""Gather structure: I5, I35, I37, I39, I42, I43, and O17."""

from __future__ import annotations

from sim.arena import MACHINE, Cells, Column, Field
from sim.checks.base import Checker
from sim.mmu_gather import ENCODED_PAGE_BIT_NR_PAGES_NEXT


class GatherChecks(Checker):
    """Called by the gather where its structure changes."""

    name = "checks_gather"
    invariants = (
        ("I5", "gather-reference-kept", "each gather word is put exactly once (KERNEL.md I5)"),
        ("I35", "gather-batch-overfull", "a batch has room for a pair whenever an entry is queued (KERNEL.md I35, O17)"),
        ("I37", "delayed-rmap-outlives-lock", "delayed_rmap is clear whenever the PTL is not held (KERNEL.md I37)"),
        ("I39", "flush-range-too-small", "the range flushed covers every entry cleared since the last flush (KERNEL.md I39)"),
        ("I42", "gather-pair-torn", "a page and its count stay in one batch and one chunk (KERNEL.md I42, O17)"),
    )

    gather_delayed_rmap: Cells
    gather_fullmm: Cells
    gather_start: Cells
    gather_end: Cells
    gather_refs: Cells
    unflushed_lo: Cells
    unflushed_hi: Cells

    def fields(self) -> list[Field]:
        return [Field("gather_refs", self.w.cpus, MACHINE), Field("gather_queued_at", self.w.cpus, MACHINE)]

    gather_queued_at: Cells

    def queued(self, tlb: int, nr: int) -> None:
        """References of ``nr`` pages move to the gather."""
        self.gather_refs[tlb] += nr
        self.gather_queued_at[tlb] = self.m.last_site

    def put(self, tlb: int, refs: int) -> None:
        """References of the gather have been put."""
        self.gather_refs[tlb] -= refs

    def appending(self, tlb: int, batch: int, nr: int, words: int) -> None:
        """``words`` are about to be appended to a batch that has ``nr``."""
        room = self.k.mmu_gather.batch_max(batch)
        if nr + max(words, self.k.mmu_gather.entry_words) > room:
            self.object("I35", f"batch {batch} of cpu{tlb} has {nr} of {room} slots in use")

    def chunk(self, words: list[int], n: int) -> None:
        """The first ``n`` of ``words`` are about to be freed."""
        if n < 1 or n > len(words) or words[n - 1] & ENCODED_PAGE_BIT_NR_PAGES_NEXT:
            self.object("I42", f"a chunk of {n} of {len(words)} words ends between a page and its count")

    def range_flushed(self, tlb: int) -> None:
        """The gather's range has been flushed and is about to be forgotten."""
        lo, hi = self.unflushed_lo[tlb], self.unflushed_hi[tlb]
        self.unflushed_lo[tlb] = self.unflushed_hi[tlb] = 0
        if self.profile.flushes_ranges and not self.gather_fullmm[tlb] and hi and not (self.gather_start[tlb] <= lo and hi <= self.gather_end[tlb]):
            self.object("I39", f"pages {self.gather_start[tlb]} to {self.gather_end[tlb]} were flushed, and {lo} to {hi} cleared")

    def lock_released(self, who: int) -> None:
        """The actor let go of its last PTL."""
        if who < self.w.cpus and self.gather_delayed_rmap[who]:
            self.object("I37", f"cpu{who} released the PTL with delayed rmap removals pending", self.delay_site(who))

    def delay_site(self, who: int) -> int:
        """Return the step at which the actor's gather last took references."""
        return self.gather_queued_at[who] if who < self.w.cpus else 0

    def finished(self, tlb: int) -> None:
        """The gather is about to be closed."""
        if self.gather_refs[tlb]:
            self.object("I5", f"the gather of cpu{tlb} closes with {self.gather_refs[tlb]} references not put", self.delay_site(tlb))
