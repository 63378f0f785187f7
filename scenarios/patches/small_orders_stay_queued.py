"""A folio of four pages is freed while it is on the deferred-split queue.

folio_undo_large_rmappable() (mm/internal.h, 6.9) has nothing to do for folios of order 1, which
have no room for the list; order 2 has.
"""

from __future__ import annotations

from sim.mm.huge_memory import HugeMemory

KERNEL = "6.9"
KIND = "sequence"


class SmallOrdersStayQueued(HugeMemory):
    component = "huge_memory"

    async def folio_undo_large_rmappable(self, folio: int) -> None:
        """The comparison is off by one."""
        if self.page_order[folio] > 2:
            await super().folio_undo_large_rmappable(folio)
