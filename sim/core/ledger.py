"""The ledger: which holder has which references (law L7).

The kernel has one refcount per folio; the ledger has a cell for each folio and kind of holder, and
keeps the site that last changed the cell and the one at which it last rose from 0.
Every step that takes or puts references names the holder. A PTE that is stored moves a reference
from the holder that its step names to *mapping*; a PTE that is cleared moves one from *mapping* to
*transient*; queueing a page to a gather moves it on to *gather*. So after every step the cells of a
folio add up to its refcount, and a put of a reference that its holder does not have is caught at
the step that makes it.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.core.arena import MACHINE, Cells, Field, alike
from sim.core.component import Component
from sim.core.machine import Violation, site

NONE, MAPPING, GATHER, PAGECACHE, LRU, TRANSIENT, TABLE = range(7)
QUEUED = site("tlb_remove_folio_pages", "append to the batch", step=False)
"""Where references go to a gather, whose words are private: no step."""

HOLDERS = ("none", "mapping", "gather", "page cache", "LRU batch", "transient", "page table")
"""Holder NONE: the step named no holder. Its cells are always 0. The zero page's one permanent
reference is in no cell; the audit adds it to the sum.
"""


class Ledger(Component):
    """The ledger's cells, by holder and folio, each with the site that last changed it."""

    name = "ledger"
    invariants = (
        ("I3", "reference-not-held", "every reference has one holder, and is put once (include/linux/page_ref.h)"),
    )

    change: Callable[[int, int, int], None]
    """``change(holder, folio, delta)``: give references of a folio to a holder, or with a negative
    delta take them.
    """

    ledger: Cells
    ledger_site: Cells
    ledger_since: Cells

    def fields(self) -> list[Field]:
        cells = len(HOLDERS) * self.w.pages
        return [Field("ledger", cells, MACHINE), *alike(("ledger_site", "ledger_since"), cells, MACHINE, stamp=True)]

    def bind(self) -> None:
        super().bind()
        self.change = self._changer()

    def cell(self, holder: int, folio: int) -> int:
        """Return the index of a holder's cell for ``folio``."""
        return holder * self.w.pages + folio

    def _changer(self) -> Callable[[int, int, int], None]:
        """Return :attr:`change`, with everything that it needs at hand: it runs in every second
        step.
        """
        cells, sites, since = self.ledger, self.ledger_site, self.ledger_since
        pages, m, overdrawn = self.w.pages, self.m, self._overdrawn

        def change(holder: int, folio: int, delta: int) -> None:
            i = holder * pages + folio
            value = cells[i] = cells[i] + delta
            here = m.last_site
            if value < 0:
                overdrawn(holder, folio, delta, value, here, sites[i])
            if value == delta:
                since[i] = here
            sites[i] = here

        return change

    def move(self, giver: int, taker: int, folio: int, nr: int) -> None:
        """Move ``nr`` references of ``folio`` from one holder to another; the gather is that of the
        CPU whose thread runs.
        """
        i = self.cell(giver, folio)
        if taker == GATHER and self.ledger[i] < nr:
            self._overdrawn(giver, folio, -nr, self.ledger[i] - nr, QUEUED, self.ledger_site[i])
        self.change(giver, folio, -nr)
        self.change(taker, folio, nr)
        if taker == GATHER:
            self.ledger_site[self.cell(taker, folio)] = QUEUED
            self.k.checks.queued(nr)

    def _overdrawn(self, holder: int, folio: int, delta: int, value: int, here: int, victim: int) -> None:
        name = HOLDERS[holder]
        checker, title, rule = self.invariants[0]
        message = f"folio {folio}: {-delta} references taken from the {name}, which had {value - delta}"
        self.m.fail(Violation(checker, title, message, here, victim, [("page_ref", folio, 0)], rule))
