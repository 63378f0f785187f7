"""folio_mkclean() write-protects an entry and does not flush the TLB.

page_vma_mkclean_one() (mm/rmap.c, 6.9) uses ptep_clear_flush(): a CPU that goes on writing through
its dirty, writable entry sets no bit that anybody looks at afterwards.
"""

from __future__ import annotations

from sim.core.pte import DIRTY, WRITE
from sim.mm.rmap import MKCLEAN_GET, Rmap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "riscv64")
KIND = "interleaving"


class MkcleanWithoutFlush(Rmap):
    component = "rmap"

    async def page_vma_mkclean_one(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """The entry is cleared and written again, and that is all."""
        pgtable = self.k.pgtable
        pte = await pgtable.ptep_get(ptep, MKCLEAN_GET)
        if not pte & (DIRTY | WRITE):
            return 0
        pte = await pgtable.ptep_get_and_clear(cpu, mm, addr, ptep)
        await pgtable.set_ptes(cpu, mm, addr, ptep, pgtable.fresh(pte) & ~(DIRTY | WRITE), 1)
        return 1
