"""M33: lazy MMU mode is left when the flush is over and the PTL is dropped: what was queued in it
is invalidated too late.
"""

from __future__ import annotations

from sim.mm.pgtable import Pgtable
from stress.fault import Fault


class LazyMmuLeaveAfterFlush(Fault, Pgtable):
    id = "M33"
    component = "pgtable"
    scenario = "dontneed_vs_dontneed"
    depth = 2
    silent = dict.fromkeys(
        ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64", "s390x"),
        "lazy MMU mode queues nothing here",
    )

    async def arch_leave_lazy_mmu_mode(self, cpu: int) -> None:
        """Not yet."""

    async def pte_unmap_unlock(self, cpu: int, table: int) -> None:
        """Unlock, then leave."""
        await super().pte_unmap_unlock(cpu, table)
        await super().arch_leave_lazy_mmu_mode(cpu)
