"""M25: the zap of anonymous PTEs does not tell the gather what it has cleared."""

from __future__ import annotations

from sim.mm.memory import Memory, Zap
from stress.fault import Fault


class AnonPathNoTlbRecord(Fault, Memory):
    id = "M25"
    component = "memory"
    scenario = "munmap_vs_access"
    silent = {
        "ppc64-hash": "ppc64 hash invalidates each hash entry by a hook of the PTE update:"
        " what the gather records is not used"
    }

    def record_tlb_entries(self, zap: Zap, folio: int, addr: int, nr: int) -> None:
        """Only the branch of file pages records."""
        if not self.k.mm_types.folio_test_anon(folio):
            super().record_tlb_entries(zap, folio, addr, nr)
