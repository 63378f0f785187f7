"""fork() write-protects the first of a batch of the parent's entries only.

__copy_present_ptes() (mm/memory.c, 6.9) calls wrprotect_ptes() with the length of the batch, where
there was ptep_set_wrprotect() before the series.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.mm.fork import Copy, Fork

KERNEL = "6.9"
KIND = "sequence"


class WrprotectsFirstOfBatch(Fork):
    component = "fork"

    def wrprotect_parent(self, copy: Copy, addr: int, src: int, nr: int) -> Coroutine[Any, Any, None]:
        """As if the batch had one entry."""
        return super().wrprotect_parent(copy, addr, src, 1)
