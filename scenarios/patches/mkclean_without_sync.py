"""folio_mkclean() passes entries that do not map the page without taking the page table's lock.

page_mkclean_one() (mm/rmap.c, 6.9) walks with PVMW_SYNC: a zapper that has cleared the entry and
not flushed yet holds that lock, and has to be waited for.
"""

from __future__ import annotations

from sim.mm.page_vma_mapped import RmapOne
from sim.mm.rmap import Rmap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "interleaving"


class MkcleanWithoutSync(Rmap):
    component = "rmap"

    async def rmap_walk(self, cpu: int, folio: int, rmap_one: RmapOne, sync: bool, shared_only: bool = False) -> int:
        """No walk is synchronous."""
        return await super().rmap_walk(cpu, folio, rmap_one, False, shared_only)
