"""page_vma_mapped_walk() that has found nothing in a table ends without pte_unmap().

The RCU reader that the look at the table is stays open on its CPU: no grace period ends any more
(0d940a9b270b).
"""

from __future__ import annotations

from sim.core.pte import PRESENT
from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkLeaksRcuReader(PageVmaMapped):
    component = "page_vma_mapped"

    async def walk_table(self, cpu, folio, vma, table, addr, end, rmap_one, held):
        from sim.mm.page_vma_mapped import CHECK, LOOK

        mm, base, total, wanted = self.k.mm_types.mm_of(vma), self.vma_address(folio, vma), 0, PRESENT
        looks = not held
        while addr < end:
            ptep, nr = self.k.pgtable.ptep(table, addr), 1
            if not looks or await self.m.load(LOOK, self.pte, ptep) & wanted:
                if not held:
                    held = await self.lock_table(cpu, mm, addr, table)
                    if not held:
                        return addr, total
                if self.check_pte(await self.m.load(CHECK, self.pte, ptep), folio + addr - base):
                    found, nr = await rmap_one(mm, addr, ptep, end)
                    total += found
            looks, wanted, addr = True, -1, addr + nr
        if held:
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        return addr, total
