"""M23: the hook of s390x that frees pages at once is given the first page of a batch."""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather
from stress.fault import Fault

GATHERS = "pages wait in the gather here: nothing is freed at once"


class S390HookFirstPage(Fault, MmuGather):
    id = "M23"
    component = "mmu_gather"
    scenario = "munmap_vs_access"
    silent = dict.fromkeys(
        ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64"), GATHERS
    )

    async def free_at_once(self, tlb: int, page: int, nr: int, delay_rmap: bool) -> None:
        """The hook was not taught about batches."""
        await self.k.swap.free_page_and_swap_cache(tlb, page)
