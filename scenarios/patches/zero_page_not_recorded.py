"""The zap of an entry without a struct page does not tell the gather what it has cleared.

zap_present_ptes() (mm/memory.c, 6.9) treats such entries (the zero page) in a branch of its own,
which returns early: tlb_remove_tlb_entry() has to be called there too, although nothing is queued.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64")
KIND = "interleaving"


class ZeroPageNotRecorded(Memory):
    component = "memory"

    async def zap_present_special(self, zap: Zap, addr: int, ptep: int, pte: int) -> None:
        """Cleared, and nothing else."""
        full = bool(self.gather_fullmm[zap.tlb])
        await self.k.pgtable.ptep_get_and_clear_full(zap.tlb, zap.mm, addr, ptep, full)
        await self.pte_install_uffd_wp_if_needed(zap, ptep, pte, 1)
