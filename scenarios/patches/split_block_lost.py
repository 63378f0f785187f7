"""The allocator forgets the upper half of a block that it splits.

expand() (mm/page_alloc.c, 6.9) puts the other half of each level on its free list.
"""

from __future__ import annotations

from sim.mm.page_alloc import PageAlloc

KERNEL = "6.9"
KIND = "sequence"


class SplitBlockLost(PageAlloc):
    component = "page_alloc"

    def _take(self, order: int) -> int:
        """The block is used for what was asked for, and the rest of it for nothing."""
        for have in range(order, len(self.free_head)):
            if self.free_head[have]:
                return self._pop(have)
        return -1
