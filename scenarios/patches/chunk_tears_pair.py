"""A chunk of gather words that are freed together may end between a page and its count.

__tlb_batch_free_encoded_pages() (mm/mmu_gather.c, 6.9) takes one word more if the last one of the
chunk says that a count follows.
"""

from __future__ import annotations

from sim.mm.mmu_gather import MmuGather

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64")
KIND = "sequence"


class ChunkTearsPair(MmuGather):
    component = "mmu_gather"

    def chunk(self, words: list[int]) -> int:
        """A pair is left whole only by luck; a page at the very end is freed alone."""
        return min(self.g.folios_per_free, len(words))
