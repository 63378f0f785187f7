"""M15: the range to be flushed ends before the last page of a batch."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault


class TlbRangeShortByOne(Fault, MmuGather):
    id = "M15"
    component = "mmu_gather"
    scenario = "munmap_vs_access"
    silent = {
        "s390x": "s390x invalidates each PTE as it is cleared, or the whole mm: it uses no range",
        "ppc64-hash": "ppc64 hash invalidates each hash entry by a hook of the PTE update: it uses no range",
    }

    def tlb_remove_tlb_entries(self, tlb: int, addr: int, nr: int) -> None:
        """The end is taken for the last page that is inside."""
        super().tlb_remove_tlb_entries(tlb, addr, nr - (nr > 1))
