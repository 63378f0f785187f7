"""page_vma_mapped_walk() that has found nothing in a table ends without pte_unmap().

The RCU reader that the look at the table is stays open on its CPU: no grace period ends any more
(0d940a9b270b).
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import PageVmaMapped

KERNEL = "6.9"
KIND = "sequence"


class WalkLeaksRcuReader(PageVmaMapped):
    component = "page_vma_mapped"

    async def leave_table(self, cpu: int, table: int, held: bool) -> None:
        """Without the lock there is nothing to drop."""
        if held:
            await super().leave_table(cpu, table, held)
