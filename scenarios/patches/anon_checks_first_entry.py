"""A fault that maps a large anonymous folio looks again, under the PTL, at its first entry only.

do_anonymous_page() (mm/memory.c, 6.9) asks pte_range_none() about all of them: another thread may
have filled one since alloc_anon_folio() chose the order.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "interleaving"


class AnonChecksFirstEntry(PageFault):
    component = "page_fault"

    async def _all_empty(self, ptep: int, nr: int) -> bool:
        """The test is the one for a single page."""
        return await super()._all_empty(ptep, 1)
