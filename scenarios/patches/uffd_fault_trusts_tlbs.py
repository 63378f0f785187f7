"""A write fault under userfaultfd does not ask whether a flush is on its way.

do_wp_page() (mm/memory.c, 6.9) flushes the page if a gather of the mm is open: the protection that
it finds may be one that other CPUs have not heard of, and they would go on to store to the page
that is being copied.
"""

from __future__ import annotations

from sim.core.pte import UFFD_WP
from sim.mm.page_fault import PageFault

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "interleaving"


class UffdFaultTrustsTlbs(PageFault):
    component = "page_fault"

    async def _uffd_wp_fault(self, cpu: int, mm: int, addr: int, table: int, pte: int) -> int:
        """The protection is lifted, and that is all."""
        if pte & UFFD_WP:
            await self.k.pgtable.uffd_wp_resolve(cpu, self.k.pgtable.ptep(table, addr))
        return pte & ~UFFD_WP
