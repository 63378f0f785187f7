"""Two faults may each give a VMA an anon_vma: it is not looked at again under the lock.

__anon_vma_prepare() (mm/rmap.c, 6.9) allocates without a lock, and then asks under page_table_lock
whether the VMA still has none.
"""

from __future__ import annotations

from sim.mm.rmap import Rmap

KERNEL = "6.9"
KIND = "interleaving"


class AnonVmaPrepareNoRecheck(Rmap):
    component = "rmap"

    async def still_lacks_anon_vma(self, vma: int) -> bool:
        """The look before the allocation is believed."""
        return True
