"""do_anonymous_page() maps the zero page without a look whether the entry is still empty.

Another thread's first store may have mapped a page there before the lock was taken.
"""

from __future__ import annotations

from sim.core.pte import SPECIAL, YOUNG, make_pte
from sim.mm.mm_types import ZERO_PFN
from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "interleaving"


class ZeroPageNoRecheck(PageFault):
    component = "page_fault"

    async def map_zero_page(self, cpu: int, mm: int, addr: int) -> bool:
        """The entry was empty when it was read."""
        table = await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        if table >= 0:
            ptep = self.k.pgtable.ptep(table, addr)
            await self.k.pgtable.set_ptes(cpu, mm, addr, ptep, make_pte(ZERO_PFN, SPECIAL | YOUNG), 1)
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return True
