"""RSS by page-table section: I18.

Kept for each actor, mm and counter: what the entries that it changed add to RSS, less what it has
folded. That is 0 whenever the actor holds no PTL, so a wrong count is seen where it is made; the
audit (I17) sees what is done to RSS with no entry changed at all.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.checks.base import Checker
from sim.core.arena import MACHINE, Cells, Column, Field
from sim.core.pte import KIND_MASK, KIND_MIGRATION, KIND_SWAP, PFN_SHIFT
from sim.mm.mm_types import (
    MAPPING_ANON,
    MM_ANONPAGES,
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    MM_SWAPENTS,
    NR_MM_COUNTERS,
)


class RssChecks(Checker):
    """Watches ``mm_rss``; called as entries change and as the last PTL is released."""

    name = "checks_rss"
    invariants = (
        (
            "I18",
            "rss-unbalanced",
            "before it drops the PTL an actor folds into RSS what it changed in the table (zap_pte_range)",
        ),
    )

    mm_rss: Column
    page_head: Cells
    page_mapping: Cells
    page_swapbacked: Cells
    ptl_taken: Cells
    rss_due: Cells
    folded_at: Cells

    mapped: Callable[[int, int, int, int], None]
    """``mapped(at, folio, who, delta)``: an entry in cell ``at`` that maps a page of ``folio`` was
    stored (1) or removed (-1) by ``who``.
    """

    def fields(self) -> list[Field]:
        return [
            Field("rss_due", self.slots * self.w.mms * NR_MM_COUNTERS, MACHINE),
            Field("folded_at", self.slots, MACHINE, stamp=True),
        ]

    def bind(self) -> None:
        super().bind()
        self.mm_rss.observe(self._folded)
        self.mapped = self._mapper()

    def _folded(self, cell: int, old: int, new: int, holder: int) -> None:
        who, row = self.m.current, self.w.mms * NR_MM_COUNTERS
        self.rss_due[who * row + cell % row] -= new - old
        self.folded_at[who] = self.m.seq

    def _mapper(self) -> Callable[[int, int, int, int], None]:
        """Return :attr:`mapped`, with everything that it needs at hand: it runs in every tenth
        step.
        """
        mappings, swapbacked, due = self.page_mapping, self.page_swapbacked, self.rss_due
        mms, vpages = self.w.mms, self.w.vpages

        def mapped(at: int, folio: int, who: int, delta: int) -> None:
            if mappings[folio] & MAPPING_ANON:
                member = MM_ANONPAGES
            else:
                member = MM_SHMEMPAGES if swapbacked[folio] else MM_FILEPAGES
            due[(who * mms + at // vpages) * NR_MM_COUNTERS + member] += delta

        return mapped

    def absent_changed(self, at: int, entry: int, who: int, delta: int) -> None:
        """An entry that is not present was stored (1) or removed (-1): swap entries count, and so
        do pages under migration.
        """
        kind = entry & KIND_MASK
        if kind == KIND_SWAP:
            self.rss_due[(who * self.w.mms + at // self.w.vpages) * NR_MM_COUNTERS + MM_SWAPENTS] += delta
        elif kind == KIND_MIGRATION:
            self.mapped(at, self.page_head[entry >> PFN_SHIFT], who, delta)

    def lock_released(self, who: int, mm: int) -> None:
        """An actor let go of its last PTL, of a table of ``mm``."""
        first, due = (who * self.w.mms + mm) * NR_MM_COUNTERS, self.rss_due
        if due[first] or due[first + 1] or due[first + 2] or due[first + 3]:
            self._unbalanced(who, mm, due[first : first + NR_MM_COUNTERS].tolist())

    def _unbalanced(self, who: int, mm: int, due: list[int]) -> None:
        """Accuse the actor's last fold under this lock, or if there was none its last change of an
        entry.
        """
        changed, folded = self.k.checks.entries.last_change(who, mm), self.folded_at[who]
        names = ("file", "anon", "swap", "shmem")
        what = ", ".join(f"{name} {nr:+}" for name, nr in zip(names, due, strict=True) if nr)
        what = f"mm {mm}: the PTL was released with rss not folded: {what}"
        if folded > self.ptl_taken[who]:
            self.violated("I18", what, changed, accused=self.m.code_at(folded))
        self.violated("I18", what, accused=changed)
