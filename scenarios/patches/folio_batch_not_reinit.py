"""free_pages_and_swap_cache() does not reinitialise its folio batch once it has been put.

folios_put_refs() leaves the batch as it is in this version of the call: with more folios than a
batch has, the first ones are put a second time.
"""

from __future__ import annotations

from sim.core.ledger import GATHER
from sim.mm.mmu_gather import ENCODED_SHIFT
from sim.mm.swap import Swap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "ppc64-radix", "ppc64-hash")
KIND = "sequence"


class FolioBatchNotReinit(Swap):
    component = "swap"

    async def free_pages_and_swap_cache(self, cpu: int, words: list[int]) -> None:
        """The folios of a batch that has been put stay in it."""
        await self.drain_before_zap(cpu)
        folios = []
        i = 0
        while i < len(words):
            page, nr = words[i] >> ENCODED_SHIFT, 1
            if self.count_follows(words[i]):
                i += 1
                nr = words[i] >> ENCODED_SHIFT
            i += 1
            folios.append((self.k.page_head(page), self.refs_to_put(page, nr)))
            if len(folios) == self.g.pagevec:
                await self.folios_put_refs(cpu, folios, GATHER)
        await self.folios_put_refs(cpu, folios, GATHER)
