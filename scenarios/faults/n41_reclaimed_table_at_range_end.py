"""N41: the table that MADV_DONTNEED has emptied is freed at the address at which the zap has ended,
as from 7.0 to 7.1.8 (CVE-2026-74674).
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim
from stress.fault import Fault

NOT_RECLAIMED = "empty tables are not reclaimed"


class ReclaimedTableAtRangeEnd(Fault, PtReclaim):
    id = "N41"
    component = "pt_reclaim"
    scenario = "table_freed_elsewhere"
    kernels = ("7.3-flushfirst",)
    depth = 2
    silent = {
        "ppc64-radix": NOT_RECLAIMED,
        "ppc64-hash": NOT_RECLAIMED,
        "riscv64": "a flush for tables is one of the whole mm",
        "s390x": "the flush follows a note and is one of everything",
    }

    async def free_pte(self, tlb: int, mm: int, addr: int, table: int) -> None:
        """The flush for the table covers the page behind it, not what leads to it."""
        await super().free_pte(tlb, mm, addr + self.g.ptrs_per_pte, table)
